import numpy as np
import pytest

from micrograph_networks.errors import UserError
from micrograph_networks.images.intensities import to_intensities

UINT16 = np.array([[0, 255, 4095]], np.uint16)


@pytest.mark.parametrize(
    "image, maximum, chosen, expected",
    [
        (UINT16, 4095, "metadata", [0, 255 / 4095, 1]),
        (UINT16, 4095, "bit-depth", UINT16[0]),
        (UINT16, None, "metadata", UINT16[0]),
        (UINT16, 4095, 255.0, [0, 1, 4095 / 255]),
        (np.array([[-128, 0, 127]], np.int8), None, "metadata", [-128 / 255, 0, 127 / 255]),
        (np.array([[-128, 127]], np.int8), None, "bit-depth", [0, 1]),
        (np.array([[0, 2**32 - 1]], np.uint32), None, "metadata", [0, 1]),
        (np.array([[0.5, 2.0]]), None, "metadata", [0.5, 2]),
        (np.array([[0.5, 2.0]]), 255, "metadata", [0.5 / 255, 2 / 255]),
        (np.array([[True, False]]), 1, "metadata", [True, False]),
    ],
)
def test_pixels_are_scaled_as_by_cellprofiler(image, maximum, chosen, expected):
    scaled = to_intensities(image, maximum, chosen)
    np.testing.assert_allclose(scaled[0], expected, rtol=1e-6)
    assert scaled is image or scaled.dtype == np.float32


def test_range_of_zero_is_refused():
    with pytest.raises(UserError, match="saturated pixel is 0: choose --intensity-range"):
        to_intensities(UINT16, maximum=0)
