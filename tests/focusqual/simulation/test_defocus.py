import dataclasses

import numpy as np
import pytest
from scipy.special import j1

from focusqual.levels import LEVEL_DEPTH, STANDARD_OPTICS
from focusqual.simulation.defocus import defocus, point_spread_function


def second_moment_radius(psf):
    offsets = np.arange(psf.shape[0]) - psf.shape[0] // 2
    squared = np.add.outer(offsets**2, offsets**2)
    return np.sqrt((psf * squared).sum())


def test_in_focus_it_is_the_airy_pattern():
    psf = point_spread_function(0, dataclasses.replace(STANDARD_OPTICS, pixel_size=0.1))
    center = psf.shape[0] // 2
    v = 2 * np.pi * 0.5 / 0.5 * 0.1 * np.arange(1, center)
    airy = (2 * j1(v) / v) ** 2
    np.testing.assert_allclose(psf[center, center + 1 : -1] / psf[center, center], airy, atol=2e-3)


@pytest.mark.parametrize("level", [0, 1, 10])
def test_it_is_symmetric_with_sum_1(level):
    psf = point_spread_function(level * LEVEL_DEPTH)
    assert psf.dtype == np.float32
    assert psf.sum() == pytest.approx(1, abs=1e-5)
    assert psf.shape[0] % 2 == 1
    np.testing.assert_allclose(psf, psf[::-1, ::-1], atol=1e-7)
    np.testing.assert_allclose(psf, psf.T, atol=1e-7)
    np.testing.assert_allclose(psf, point_spread_function(-level * LEVEL_DEPTH), atol=1e-7)


def test_a_level_adds_three_pixels_of_blur_diameter():
    radii = [
        second_moment_radius(point_spread_function(level * LEVEL_DEPTH)) for level in (4, 6, 8, 10)
    ]
    # A disc of diameter d has a second moment of d^2 / 8.
    np.testing.assert_allclose(np.sqrt(8) * np.diff(radii) / 2, 3.1, atol=0.5)


def test_defocus_keeps_light_and_range(rng):
    image = rng.integers(0, 4096, (90, 70), dtype=np.uint16)
    np.testing.assert_array_equal(defocus(image, 0), image)
    blurred = defocus(image, 8)
    assert blurred.shape == image.shape
    assert blurred.dtype == np.float32
    assert blurred.mean() == pytest.approx(image.mean(), rel=0.02)
    assert blurred.std() < 0.2 * image.std()
    np.testing.assert_allclose(defocus(np.full((30, 20), 7.0), 20), 7, rtol=1e-5)
