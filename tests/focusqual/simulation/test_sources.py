import numpy as np
import pytest

from focusqual.simulation import scenes
from focusqual.simulation.sources import clean


def test_cleaning_empties_the_background_and_keeps_the_cells(rng):
    scene = scenes.nuclei(rng, 200, 1.5)
    noisy = 100 + 500 * scene + rng.normal(0, 8, scene.shape)
    cleaned = clean(noisy)
    background = scene == 0
    assert np.median(cleaned[background]) == 0
    assert np.corrcoef(cleaned.ravel(), scene.ravel())[0, 1] > 0.98
    assert np.percentile(cleaned, 99.8) == pytest.approx(1, abs=0.05)


def test_what_is_darker_than_a_bright_background_stays_darker(rng):
    scene = scenes.nuclei(rng, 200, 1.0)
    cleaned = clean(1000 - 600 * scene + rng.normal(0, 5, scene.shape))
    assert np.median(cleaned[scene == 0]) == 0
    assert np.corrcoef(cleaned.ravel(), -scene.ravel())[0, 1] > 0.98
