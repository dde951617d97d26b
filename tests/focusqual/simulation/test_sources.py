import numpy as np
import pytest

from focusqual.simulation import scenes
from focusqual.simulation.sources import clean
from micrograph_networks.errors import UserError


@pytest.mark.parametrize("background, cells, noise", [(100, 500, 8), (1000, -600, 5)])
def test_the_background_is_empty_and_cells_stay(rng, background, cells, noise):
    scene = scenes.nuclei(rng, 200, 1.5)
    cleaned = clean(background + cells * scene + rng.normal(0, noise, scene.shape))
    assert np.median(cleaned[scene == 0]) == 0
    assert np.sign(cells) * np.corrcoef(cleaned.ravel(), scene.ravel())[0, 1] > 0.98
    if cells > 0:
        assert np.percentile(cleaned, 99.8) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("image", [np.full((90, 90), 3), np.zeros((1, 1))])
def test_an_image_of_one_value_is_empty(image):
    np.testing.assert_array_equal(clean(image), np.zeros(image.shape))


@pytest.mark.parametrize("change", [lambda x: x + 1e9, lambda x: x * 1e300, lambda x: x * 1e-9])
def test_scaling_and_offset_do_not_matter(rng, change):
    scene = scenes.nuclei(rng, 100, 1.5) + rng.normal(0, 0.01, (100, 100))
    np.testing.assert_allclose(clean(change(scene)), clean(scene), atol=1e-4)


def test_images_with_nan_are_refused():
    with pytest.raises(UserError, match="pixels are NaN or infinite: leave the image out"):
        clean(np.full((90, 90), np.nan))
