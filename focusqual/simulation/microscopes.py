"""Random microscopes for training: the blur of each at every defocus level."""

import functools
from dataclasses import dataclass
from typing import Optional

import numpy as np

from focusqual.levels import LEVEL_DEPTH, STANDARD_OPTICS
from focusqual.simulation.defocus import bright_field_transfer, fluorescence_transfer

FIELD = 240
"""Height and width in pixels of the field of view of a training microscope."""
BLUR_PER_LEVEL = STANDARD_OPTICS.blur_radius(LEVEL_DEPTH)
"""Radius of the cone of light per level in pixels, 1.54."""
LEVEL_STEP = 0.1
"""Step between tabulated transfer functions in levels."""
RESOLUTIONS = (0.55, 0.75, 1, 1, 1, 1.35, 1.8, 2.5, 3.5)
"""Resolutions in units of the standard one: undersampled, standard (most frequent), oversampled."""
FOCUS_LEVELS = {1: 0.0, 1.2: 0.4, 1.5: 0.6, 2: 0.9, 3: 1.3, 4: 1.6, 5: 2.0}
"""Levels in focus by resolution, see :func:`focus_level`. Between them, levels are interpolated."""

_FREQUENCIES = np.linspace(0, 1.5 * np.sqrt(2), 1000)
"""Cycles per pixel, up to the corner of the neighbors of the spectrum."""


@dataclass(frozen=True)
class Microscope:
    """Properties of a simulated microscope that determine the blur at a given level.

    Attributes
    ----------
    resolution : float
        Resolution in focus in pixels, see :attr:`focusqual.optics.Optics.resolution`.
    spherical : float
        Aberration in wavelengths, see :func:`focusqual.simulation.defocus.radial_profile`.
    condenser : float, optional
        Aperture of the condenser as a fraction of the objective's; None in fluorescence.
    phase : float
        In transmitted light, between absorption (0) and refraction.
    """

    resolution: float = STANDARD_OPTICS.resolution
    spherical: float = 0.0
    condenser: Optional[float] = None
    phase: float = 0.0

    def transfer(self, level: float) -> np.ndarray:
        """Return the transfer function of a sampled image on the grid of ``rfft2``.

        Frequencies that the pixels cannot distinguish add up, as in the transform of a sampled
        point spread function.

        Parameters
        ----------
        level : float
            Defocus in levels, of either sign.

        Returns
        -------
        ndarray of float32, (240, 121)
        """
        step = round(level / LEVEL_STEP)
        symmetric = not (self.spherical or self.phase)
        transfer = _profile(self, abs(step) if symmetric else step)[_grid()].sum(axis=0)
        return transfer / transfer[0, 0]


def focus_level(resolution: float) -> float:
    """Return the level of a thin specimen in focus.

    Levels are blur in pixels, whatever its cause. An image that is sampled more finely than by the
    standard optics, or enlarged, is blurred by diffraction. Its level is the one at which the
    standard optics have the most similar transfer function, by the squared difference over the
    frequencies that pixels can show. Defocus hardly adds to it before its own level is higher.

    Parameters
    ----------
    resolution : float
        Resolution in pixels in units of the standard optics', see
        :attr:`focusqual.optics.Optics.resolution`.
    """
    return float(np.interp(resolution, list(FOCUS_LEVELS), list(FOCUS_LEVELS.values())))


def random_microscope(rng: np.random.Generator, transmitted: bool) -> Microscope:
    """Draw a microscope for transmitted light or for fluorescence."""
    resolution = STANDARD_OPTICS.resolution * float(rng.choice(RESOLUTIONS))
    if transmitted:
        condenser, phase = float(rng.choice([0.3, 0.6, 1])), float(rng.choice([0, 0, -0.8, 0.8]))
        return Microscope(resolution, 0.0, condenser, phase)
    spherical = float(rng.choice([0, 0, 0, 0, 0, 0, -1, 1]))
    return Microscope(resolution, spherical)


@functools.lru_cache(maxsize=None)
def _profile(microscope: Microscope, step: int) -> np.ndarray:
    """Return the transfer function along a radius at a multiple of LEVEL_STEP."""
    blur = step * LEVEL_STEP * BLUR_PER_LEVEL
    resolution = microscope.resolution
    if microscope.condenser is None:
        return fluorescence_transfer(_FREQUENCIES, blur, resolution, microscope.spherical)
    return bright_field_transfer(
        _FREQUENCIES, blur, resolution, microscope.condenser, microscope.phase
    )


@functools.lru_cache(maxsize=None)
def _grid() -> np.ndarray:
    """Return the indices of frequencies and their neighbors on that radius, int (9, 240, 121)."""
    rows, cols = np.fft.fftfreq(FIELD)[:, None], np.fft.rfftfreq(FIELD)
    shifts = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    radii = np.array([np.hypot(rows + y, cols + x) for y, x in shifts])
    return np.minimum(np.rint(radii / _FREQUENCIES[1]), len(_FREQUENCIES) - 1).astype(np.intp)
