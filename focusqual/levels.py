"""Definition of the defocus levels.

Level 0 is sharp, level 10 is the strongest blur. Level k is the blur of k times LEVEL_DEPTH of
defocus with STANDARD_OPTICS. Each level adds 2 * 2 um * 0.5 / 0.65 um = 3.1 pixels to the diameter
of the blur. Levels are absolute: they do not depend on other images. They count pixels, whatever
the blur comes from: in an image that is enlarged twofold, or sampled as finely, diffraction alone
is level 1 (:func:`focusqual.simulation.microscopes.focus_level`).
"""

from focusqual.optics import Optics

LEVELS = 11
"""Number of levels, 0 to 10."""

LEVEL_DEPTH = 2.0
"""Defocus from one level to the next with the standard optics, in micrometers."""

STANDARD_OPTICS = Optics(pixel_size=0.65, numerical_aperture=0.5, wavelength=0.5)
"""Optics that define the levels: a typical 20x objective in air without binning, at 500 nm."""


def rescaling_factor(optics: Optics) -> float:
    """Return the factor that brings the resolution in pixels to that of the standard optics.

    It is at most 1: enlarging an image does not bring back detail that its pixels were too coarse
    for.
    """
    return min(1.0, STANDARD_OPTICS.resolution / optics.resolution)


def level_depth(optics: Optics, factor: float) -> float:
    """Return the defocus from one level to the next in an image that was resized.

    It is the defocus whose blur has as many pixels as LEVEL_DEPTH with the standard optics. With
    :func:`rescaling_factor` it equals the depth of field, wavelength n / NA^2, and the whole point
    spread function agrees, because its paraxial form (Born and Wolf, Principles of Optics, section
    8.8) depends on the defocus z only through z NA^2 / (wavelength n). Above an aperture of about
    0.7 n the paraxial form gives too large a depth.

    Parameters
    ----------
    optics : Optics
        Optics of the original image.
    factor : float
        Factor by which the image is resized.

    Returns
    -------
    float
        Defocus in micrometers.
    """
    return STANDARD_OPTICS.blur_radius(LEVEL_DEPTH) / (optics.blur_radius(1.0) * factor)
