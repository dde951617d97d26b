import numpy as np
import pytest

from focusqual.simulation import scenes
from focusqual.simulation.sources import clean


@pytest.mark.parametrize("background, cells, noise", [(100, 500, 8), (1000, -600, 5)])
def test_the_background_is_empty_and_cells_stay(rng, background, cells, noise):
    scene = scenes.nuclei(rng, 200, 1.5)
    cleaned = clean(background + cells * scene + rng.normal(0, noise, scene.shape))
    assert np.median(cleaned[scene == 0]) == 0
    assert np.sign(cells) * np.corrcoef(cleaned.ravel(), scene.ravel())[0, 1] > 0.98
    if cells > 0:
        assert np.percentile(cleaned, 99.8) == pytest.approx(1, abs=0.05)
