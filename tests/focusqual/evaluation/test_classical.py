import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from focusqual.evaluation.classical import laplacian_variance, power_log_log_slope
from focusqual.simulation import scenes


@pytest.mark.parametrize("shape", [(128, 128), (120, 201)])
def test_slope_is_that_of_cellprofiler(rng, shape):
    spectrum = pytest.importorskip("centrosome.radial_power_spectrum")
    image = gaussian_filter(rng.normal(100, 10, shape), 1.5)
    radii, _, power = spectrum.rps(image)
    expected = np.polyfit(np.log(radii), np.log(power), 1)[0]
    assert power_log_log_slope(image) == pytest.approx(expected, rel=1e-6)


def test_blur_lowers_both(rng):
    image = scenes.nuclei(rng, 200, 1.0)
    blurred = gaussian_filter(image, 3)
    for measure in (power_log_log_slope, laplacian_variance):
        assert measure(blurred) < measure(image)


def test_an_image_of_one_gray_level_has_neither():
    image = np.full((64, 64), 7, dtype=np.uint16)
    assert power_log_log_slope(image) == laplacian_variance(image) == 0


def test_laplacian_does_not_depend_on_the_bit_depth(rng):
    image = rng.integers(0, 256, (50, 50), dtype=np.uint8)
    deep = image.astype(np.uint16) * 257
    assert laplacian_variance(deep) == pytest.approx(laplacian_variance(image))
