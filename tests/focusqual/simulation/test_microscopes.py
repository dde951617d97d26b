import numpy as np
import pytest

from focusqual.levels import LEVEL_DEPTH
from focusqual.simulation import microscopes, scenes
from focusqual.simulation.defocus import defocus
from focusqual.simulation.microscopes import FIELD, Microscope


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
