import numpy as np
import pytest

from micrograph_networks.errors import UserError
from micrograph_networks.images.masking import mirror_inside, valid_pixels


def test_pixels_are_mirrored_at_the_outline():
    image = np.array([[1, 2, 3, 0, 0, 9, 9, 9]])
    valid = np.array([[1, 1, 1, 0, 0, 0, 0, 0]], bool)
    # Beyond the mirror image the pixel at the image's edge goes on.
    assert mirror_inside(image, valid).tolist() == [[1, 2, 3, 2, 1, 1, 1, 1]]


def test_colors_are_mirrored_together(rng):
    image = rng.random((20, 20, 3)).astype(np.float32)
    valid = rng.random((20, 20)) < 0.7
    filled = mirror_inside(image, valid)
    np.testing.assert_array_equal(filled[valid], image[valid])
    known = {tuple(color) for color in image[valid]}
    assert {tuple(color) for color in filled.reshape(-1, 3)} <= known
    assert mirror_inside(image, np.ones((20, 20), bool)) is image
    assert not mirror_inside(image, np.zeros((20, 20), bool)).any()


def test_pixels_count_where_they_are_finite_and_inside_of_the_mask():
    image = np.array([[1, np.nan, 2, np.inf]])
    assert valid_pixels(image, None).tolist() == [[True, False, True, False]]
    mask = np.array([[0, 1, 7, 1]])
    assert valid_pixels(image, mask).tolist() == [[False, False, True, False]]
    assert valid_pixels(np.dstack([image, image]), mask).shape == (1, 4)
    assert valid_pixels(image, [[np.nan, 1, -0.5, 1]]).tolist() == [[False, False, True, False]]
    with pytest.raises(UserError, match="mask is of shape"):
        valid_pixels(image, mask.T)
