import dataclasses

import numpy as np
import pytest
from support import rate

from focusqual import FocusOptions
from focusqual.inference.objective import STANDARD, Objective
from focusqual.levels import LEVEL_DEPTH
from focusqual.simulation import optics
from micrograph_networks.errors import UserError

OBJECTIVES = [
    Objective(0.325, 0.75, 0.52),
    Objective(0.1625, 0.95, 0.6),
    Objective(0.16, 1.2, 0.5, 1.33),
    Objective(0.65, 0.3, 0.46),
]


def test_the_standard_objective_is_that_of_the_simulation():
    expected = dataclasses.asdict(optics.STANDARD_OPTICS)
    assert dataclasses.asdict(STANDARD) == expected
    assert STANDARD.scale == 1
    assert STANDARD.level_depth(1) == LEVEL_DEPTH


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_resized_to_the_resolution_of_the_standard_optics(objective):
    rescaled = objective.pixel_size / objective.scale
    resolution = 0.61 * objective.wavelength / objective.numerical_aperture / rescaled
    assert resolution == pytest.approx(0.61 * 0.5 / 0.5 / 0.65)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_level_is_the_depth_of_field(objective):
    depth = objective.level_depth(objective.scale)
    n, aperture = objective.refractive_index, objective.numerical_aperture
    assert depth == pytest.approx(objective.wavelength * n / aperture**2)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("level", [0, 1, 4])
def test_the_point_spread_of_a_level_is_that_of_the_standard_optics(objective, level):
    resized = optics.Optics(
        objective.wavelength,
        objective.numerical_aperture,
        objective.refractive_index,
        objective.pixel_size / objective.scale,
    )
    found = optics.point_spread_function(level * objective.level_depth(objective.scale), resized)
    expected = optics.point_spread_function(level * LEVEL_DEPTH)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_images_are_never_enlarged_and_coarse_pixels_have_deep_levels():
    binned = Objective(1.367, 0.75, 0.52)
    assert binned.scale == 1
    # 2 z NA / n / pixel size is the blur of a level: 2 x 2 x 0.5 / 0.65 pixels.
    depth = binned.level_depth(1)
    assert 2 * depth * 0.75 / 1.367 == pytest.approx(2 / 0.65)
    assert depth > 0.52 / 0.75**2


def test_the_depth_of_a_level_follows_the_factor_that_is_used():
    objective = Objective(0.325, 0.75, 0.52)
    assert objective.level_depth(0.5) == pytest.approx(2 * objective.level_depth(1))


@pytest.mark.parametrize(
    "values, sentence",
    [
        ((0.1, 1.4, 0.5), "The numerical aperture, 1.4, must be below the refractive index, 1"),
        ((0, 0.5, 0.5), "must be above 0"),
    ],
)
def test_impossible_objectives_are_refused(values, sentence):
    with pytest.raises(UserError, match=sentence):
        Objective(*values)


def test_an_image_is_resized_by_its_objective(rng):
    image = rng.random((300, 300))
    options = FocusOptions(
        rescaling="objective", pixel_size=0.325, numerical_aperture=0.75, wavelength=0.52
    )
    assert options.factor == options.objective.scale == pytest.approx(0.721, abs=1e-3)
    measurement = rate(image, options=options)
    by_factor = rate(image, options=FocusOptions(scale=options.factor))
    np.testing.assert_array_equal(measurement.probabilities, by_factor.probabilities)
    defocus = measurement.summary["expected_defocus_um"]
    assert defocus == pytest.approx(measurement.summary["expected_level"] * options.level_depth)
    assert np.isnan(by_factor.summary["expected_defocus_um"])


def test_the_aperture_has_to_fit_its_medium():
    optics = {"pixel_size": 0.1, "numerical_aperture": 1.3, "wavelength": 0.5}
    with pytest.raises(UserError, match="enter that of the immersion medium"):
        FocusOptions(rescaling="objective", **optics)
    options = FocusOptions(rescaling="objective", refractive_index=1.515, **optics)
    assert options.level_depth == pytest.approx(0.5 * 1.515 / 1.3**2)
