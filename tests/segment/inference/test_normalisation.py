import numpy as np
import pytest

from micrograph_networks.errors import UserError
from segment.inference.normalisation import normalise, to_rgb

COLOUR = np.array([[[0, 128, 255], [10, 20, 30]]], dtype=np.uint8)


@pytest.mark.parametrize(
    "image",
    [
        COLOUR,
        COLOUR.astype(np.uint16) * 257,
        COLOUR / 255,
        (COLOUR / 255).astype(np.float32),
        np.dstack([COLOUR, np.full((1, 2), 7, np.uint8)]),
    ],
)
def test_every_bit_depth_gives_the_same_colours(image):
    rgb = to_rgb(image)
    assert rgb.dtype == np.float32
    np.testing.assert_allclose(rgb, COLOUR, atol=1e-4)


def test_grey_is_repeated():
    grey = COLOUR[:, :, 1]
    expected = np.repeat(grey[:, :, None], 3, axis=2)
    for image in (grey, grey[:, :, None], np.dstack([grey, grey * 0])):
        np.testing.assert_array_equal(to_rgb(image), expected)
    assert to_rgb(np.array([[False, True]]))[0, :, 0].tolist() == [0, 255]


def test_floats_are_clipped_and_nan_stays():
    red = to_rgb(np.array([[-0.5, 0.5, 1.5, np.nan]]))[0, :, 0]
    np.testing.assert_array_equal(red, np.array([0, 127.5, 255, np.nan], dtype=np.float32))


def test_the_networks_input_is_bgr_without_the_means():
    found = normalise(np.array([123.68, 116.779, 104.939], dtype=np.float32))
    np.testing.assert_allclose(found, [1, 0, 0], atol=1e-4)
    assert found.dtype == np.float32


@pytest.mark.parametrize("shape", [(5,), (0, 5), (5, 0, 3), (3, 4, 5), (2, 3, 4, 3)])
def test_a_stack_or_nothing_is_refused(shape):
    with pytest.raises(UserError, match="empty, or neither grey nor colour"):
        to_rgb(np.zeros(shape))


@pytest.mark.parametrize("dtype", [np.int16, np.int64, np.uint32, complex])
def test_a_dtype_without_a_known_range_is_refused(dtype):
    with pytest.raises(UserError, match="has no known range"):
        to_rgb(np.zeros((4, 4), dtype))
