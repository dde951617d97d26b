import numpy as np
import pytest

from micrograph_networks.errors import UserError
from segment.inference.normalization import normalize, to_rgb

COLOR = np.array([[[0, 128, 255], [10, 20, 30]]], dtype=np.uint8)
BAD_SHAPES = ((5,), (0, 5), (5, 0, 3), (3, 4, 5), (2, 3, 4, 3))


@pytest.mark.parametrize(
    "image",
    [
        COLOR,
        COLOR.astype(np.uint16) * 257,
        COLOR / 255,
        (COLOR / 255).astype(np.float32),
        np.dstack([COLOR, np.full((1, 2), 7, np.uint8)]),
    ],
)
def test_every_bit_depth_gives_the_same_colors(image):
    rgb = to_rgb(image)
    assert rgb.dtype == np.float32
    np.testing.assert_allclose(rgb, COLOR, atol=1e-4)


def test_gray_is_repeated():
    gray = COLOR[:, :, 1]
    expected = np.repeat(gray[:, :, None], 3, axis=2)
    for image in (gray, gray[:, :, None], np.dstack([gray, gray * 0])):
        np.testing.assert_array_equal(to_rgb(image), expected)
    assert to_rgb(np.array([[False, True]]))[0, :, 0].tolist() == [0, 255]


def test_floats_are_clipped_and_nan_stays():
    red = to_rgb(np.array([[-0.5, 0.5, 1.5, np.nan]]))[0, :, 0]
    np.testing.assert_array_equal(red, np.array([0, 127.5, 255, np.nan], dtype=np.float32))


def test_the_networks_input_is_bgr_without_the_means():
    found = normalize(np.array([123.68, 116.779, 104.939], dtype=np.float32))
    np.testing.assert_allclose(found, [1, 0, 0], atol=1e-4)
    assert found.dtype == np.float32


@pytest.mark.parametrize(
    "image, problem",
    [
        *((np.zeros(shape), "empty, or neither gray nor color") for shape in BAD_SHAPES),
        *((np.zeros((4, 4), dtype), "has no known range") for dtype in (np.int16, np.uint32)),
    ],
)
def test_stacks_empty_images_and_other_dtypes_are_refused(image, problem):
    with pytest.raises(UserError, match=problem):
        to_rgb(image)
