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


@pytest.mark.parametrize("factor", [0.5, 0.7, 2.0])
def test_resampling_changes_the_size_of_the_content(rng, factor):
    rows, cols = np.mgrid[:168, :168]
    disc = np.float32(np.hypot(rows - 84, cols - 84) < 20)
    resampled = processing.resample(rng, disc, factor)
    assert resampled.shape == disc.shape
    middle = resampled[84, max(84 - int(20 * factor) - 4, 0) : 84 + int(20 * factor) + 4]
    assert middle.sum() == pytest.approx(40 * factor, rel=0.1)


def test_eight_bits_use_the_full_range_of_64_or_256_levels(rng):
    picture = rng.uniform(0.2, 0.7, (168, 168)).astype(np.float32)
    counts = {len(np.unique(processing.eight_bits(rng, picture))) for _ in range(20)}
    assert counts == {64, 256}
    found = processing.eight_bits(rng, picture)
    assert (found.min(), found.max()) == (0, 1)
    assert np.corrcoef(found.ravel(), picture.ravel())[0, 1] > 0.99


def test_resampling_keeps_the_center_and_sometimes_smooths():
    rows, cols = np.mgrid[:168, :168]
    disc = np.float32(np.hypot(rows - 83.5, cols - 83.5) < 20)
    noise = np.random.default_rng(0).standard_normal((168, 168), dtype=np.float32)
    spreads = []
    for seed in range(20):
        for factor in (0.7, 1.5):
            found = processing.resample(np.random.default_rng(seed), disc, factor)
            center = [(found * axis).sum() / found.sum() for axis in (rows, cols)]
            np.testing.assert_allclose(center, 83.5, atol=2)
        # The same seed draws the same spline for both, so only the smoothing differs.
        spreads.append(processing.resample(np.random.default_rng(seed), noise, 0.7).std())
    assert min(spreads) < 0.7
    assert max(spreads) > 0.85
