import numpy as np
import pytest

from focusqual.levels import LEVEL_DEPTH, STANDARD_OPTICS
from focusqual.simulation import microscopes, scenes
from focusqual.simulation.defocus import defocus, fluorescence_transfer
from focusqual.simulation.microscopes import BLUR_PER_LEVEL, FIELD, Microscope, focus_level


@pytest.mark.parametrize("level", [1, 10])
def test_the_standard_microscope_blurs_like_defocus(rng, level):
    source = scenes.nuclei(rng, FIELD, 1.0)
    blurred = np.fft.irfft2(np.fft.rfft2(source) * Microscope().transfer(level))[60:-60, 60:-60]
    expected = defocus(source, LEVEL_DEPTH * level)[60:-60, 60:-60]
    np.testing.assert_allclose(blurred, expected, atol=0.02)


@pytest.mark.parametrize("transmitted", [False, True])
def test_light_is_kept_and_detail_is_lost_with_depth(rng, transmitted):
    for _ in range(10):
        microscope = microscopes.random_microscope(rng, transmitted)
        near, far = microscope.transfer(1), microscope.transfer(9)
        assert near[0, 0] == pytest.approx(1, abs=1e-3)
        assert far[0, 0] == pytest.approx(1, abs=1e-3)
        assert np.square(far).sum() < np.square(near).sum()


def test_aberration_differs_above_and_below_the_focus():
    assert Microscope(spherical=2).transfer(4) != pytest.approx(
        Microscope(spherical=2).transfer(-4), abs=0.02
    )
    np.testing.assert_array_equal(Microscope().transfer(4), Microscope().transfer(-4))


def test_fringes_of_refraction_invert_through_focus():
    microscope = Microscope(condenser=0.3, phase=1.2)
    frequency = 10
    above, focus, below = (microscope.transfer(level)[0, frequency] for level in (2, 0, -2))
    assert min(above, below) < focus < max(above, below)


def test_the_level_in_focus_is_that_of_the_most_similar_standard_transfer():
    frequencies = np.linspace(0, 0.5, 51)
    levels = np.arange(0, 3, 0.1)
    standard = np.array([transfer(frequencies, level, 1) for level in levels])
    for resolution in (0.55, 1, 1.1, 1.35, 1.8, 2.4, 3.5, 4.5):
        differences = (standard - transfer(frequencies, 0, resolution)) ** 2 @ frequencies
        expected = levels[differences.argmin()]
        assert focus_level(resolution) == pytest.approx(expected, abs=0.2)
        # Defocus within that level changes little.
        differences = (standard - transfer(frequencies, expected / 2, resolution)) ** 2
        assert levels[(differences @ frequencies).argmin()] == pytest.approx(expected, abs=0.3)


def transfer(frequencies, level, resolution):
    pixels = STANDARD_OPTICS.resolution * resolution
    return fluorescence_transfer(frequencies, level * BLUR_PER_LEVEL, pixels)


@pytest.mark.parametrize("resolution", [1, 3.5])
def test_optics_pass_nothing_finer_than_their_resolution(resolution):
    microscope = Microscope(STANDARD_OPTICS.resolution * resolution)
    frequencies = np.hypot(np.fft.fftfreq(FIELD)[:, None], np.fft.rfftfreq(FIELD))
    finer = frequencies > 1.25 * 1.22 / microscope.resolution
    for level in (0, 3):
        assert np.abs(microscope.transfer(level)[finer]).max(initial=0) < 0.02
