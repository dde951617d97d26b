import dataclasses

import numpy as np
import pytest
from support import measure

from focusqual import FocusOptions
from focusqual.levels import LEVEL_DEPTH, STANDARD_OPTICS, level_depth, rescaling_factor
from focusqual.optics import Optics
from focusqual.simulation.defocus import point_spread_function
from micrograph_networks.errors import UserError

OPTICS = [
    Optics(0.325, 0.75, 0.52),
    Optics(0.1625, 0.95, 0.6),
    Optics(0.16, 1.2, 0.5, 1.33),
    Optics(0.65, 0.3, 0.46),
]


def test_standard_optics_are_not_resized():
    assert rescaling_factor(STANDARD_OPTICS) == 1
    assert level_depth(STANDARD_OPTICS, 1) == LEVEL_DEPTH


@pytest.mark.parametrize("optics", OPTICS)
def test_a_level_is_the_depth_of_field_at_standard_resolution(optics):
    factor = rescaling_factor(optics)
    depth = level_depth(optics, factor)
    expected = optics.wavelength * optics.refractive_index / optics.numerical_aperture**2
    assert depth == pytest.approx(expected)
    resized = dataclasses.replace(optics, pixel_size=optics.pixel_size / factor)
    assert resized.resolution == pytest.approx(0.61 * 0.5 / 0.5 / 0.65)
    for level in (0, 1, 4):
        found = point_spread_function(level * depth, resized)
        expected = point_spread_function(level * LEVEL_DEPTH)
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_images_are_never_enlarged_and_coarse_pixels_have_deep_levels():
    binned = Optics(1.367, 0.75, 0.52)
    assert rescaling_factor(binned) == 1
    # The blur diameter of a level is 2 x 2 x 0.5 / 0.65 pixels.
    depth = level_depth(binned, 1)
    assert 2 * depth * 0.75 / 1.367 == pytest.approx(2 / 0.65)
    assert depth > 0.52 / 0.75**2
    assert level_depth(binned, 0.5) == pytest.approx(2 * depth)


def test_impossible_optics_are_refused():
    with pytest.raises(UserError, match="must be above 0"):
        Optics(0, 0.5, 0.5)
    with pytest.raises(UserError, match="1.3, must be below the refractive index, 1: enter"):
        Optics(0.1, 1.3, 0.5)


def test_an_image_is_resized_by_its_optics(rng):
    image = rng.random((300, 300))
    options = FocusOptions(
        rescaling="objective", pixel_size=0.325, numerical_aperture=0.75, wavelength=0.52
    )
    assert options.factor == rescaling_factor(options.optics) == pytest.approx(0.721, abs=1e-3)
    measurement = measure(image, options=options)
    by_factor = measure(image, options=FocusOptions(scale=options.factor))
    np.testing.assert_array_equal(measurement.probabilities, by_factor.probabilities)
    defocus = measurement.summary["expected_defocus_um"]
    assert defocus == pytest.approx(measurement.summary["expected_level"] * options.level_depth)
    assert "expected_defocus_um" not in by_factor.summary


def test_options_use_the_index_of_the_medium():
    values = {"pixel_size": 0.1, "numerical_aperture": 1.3, "wavelength": 0.5}
    options = FocusOptions(rescaling="objective", refractive_index=1.515, **values)
    assert options.level_depth == pytest.approx(0.5 * 1.515 / 1.3**2)
