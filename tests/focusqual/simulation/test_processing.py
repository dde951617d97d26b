import numpy as np
import pytest

from focusqual.simulation import processing
from focusqual.simulation.camera import add_noise
from focusqual.simulation.scenes import nuclei


@pytest.mark.parametrize("step", processing.STEPS)
def test_a_step_changes_a_picture_but_not_its_content(rng, step):
    picture = add_noise(100 * nuclei(rng, 168, 1.0) + 10, rng) / 110
    for seed in range(3):
        processed = step(np.random.default_rng(seed), picture)
        assert processed.shape == picture.shape
        assert np.isfinite(processed).all()
        assert (processed != picture).any()
        assert np.corrcoef(processed.ravel(), picture.ravel())[0, 1] > 0.5
    assert np.isfinite(step(rng, np.full((168, 168), 0.5, np.float32))).all()


@pytest.mark.parametrize("step", [processing.smooth, processing.median, processing.wavelets])
def test_smoothing_removes_noise(rng, step):
    noise = rng.standard_normal((168, 168), dtype=np.float32)
    assert step(rng, noise).std() < 0.9


@pytest.mark.parametrize("factor", [0.5, 0.7, 2.0])
def test_resampling_changes_the_size_of_the_content(rng, factor):
    rows, cols = np.mgrid[:168, :168]
    disc = np.float32(np.hypot(rows - 84, cols - 84) < 20)
    resampled = processing.resample(rng, disc, factor)
    assert resampled.shape == disc.shape
    middle = resampled[84, max(84 - int(20 * factor) - 4, 0) : 84 + int(20 * factor) + 4]
    assert middle.sum() == pytest.approx(40 * factor, rel=0.1)
