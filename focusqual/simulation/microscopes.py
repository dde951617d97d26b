"""Microscopes of many kinds, for training: how each blurs a specimen at every level."""

import functools
from dataclasses import dataclass
from typing import Optional

import numpy as np

from focusqual.levels import LEVEL_DEPTH
from focusqual.simulation.optics import (
    STANDARD_OPTICS,
    bright_field_transfer,
    fluorescence_transfer,
)

FIELD = 240
"""Height and width in pixels of what a training microscope sees."""
BLUR_PER_LEVEL = STANDARD_OPTICS.blur_radius(LEVEL_DEPTH)
"""Radius in pixels of the cone of light, for each level: 1.54."""
LEVEL_STEP = 0.1
"""From one tabulated transfer to the next."""
RESOLUTIONS = STANDARD_OPTICS.resolution * np.array([0.55, 0.75, 1, 1, 1, 1.35, 1.8, 2.4])
"""In pixels, from undersampled to oversampled; the standard one is the commonest."""

_FREQUENCIES = np.linspace(0, 1.5 * np.sqrt(2), 1000)
"""In cycles a pixel, up to the corner of the spectrum's neighbors."""


@dataclass(frozen=True)
class Microscope:
    """What fixes the blur of a level besides the level.

    Attributes
    ----------
    resolution : float
        In focus, ``0.61 wavelength / NA``, in pixels.
    spherical : float
        Aberration in wavelengths, see :func:`focusqual.simulation.optics.radial_profile`.
    condenser : float, optional
        In transmitted light, its aperture as a fraction of the objective's; None in fluorescence.
    phase : float
        In transmitted light, between absorption (0) and refraction.
    """

    resolution: float = STANDARD_OPTICS.resolution
    spherical: float = 0.0
    condenser: Optional[float] = None
    phase: float = 0.0

    def transfer(self, level: float) -> np.ndarray:
        """Transfer of a sampled image at a level, of either sign, on the grid of ``rfft2``.

        Frequencies that the pixels cannot tell apart add up, as in the transform of a sampled
        point spread function.

        Returns
        -------
        ndarray of float32, (240, 121)
        """
        step = round(level / LEVEL_STEP)
        symmetric = not (self.spherical or self.phase)
        transfer = _profile(self, abs(step) if symmetric else step)[_grid()].sum(axis=0)
        return transfer / transfer[0, 0]


def random_microscope(rng: np.random.Generator, transmitted: bool) -> Microscope:
    """Draw a microscope for fluorescence or for transmitted light.

    Parameters
    ----------
    rng : numpy.random.Generator
    transmitted : bool

    Returns
    -------
    Microscope
    """
    resolution = float(rng.choice(RESOLUTIONS))
    if transmitted:
        condenser, phase = float(rng.choice([0.3, 0.6, 1])), float(rng.choice([0, 0, -0.8, 0.8]))
        return Microscope(resolution, 0.0, condenser, phase)
    spherical = float(rng.choice([0, 0, 0, 0, 0, 0, -1, 1]))
    return Microscope(resolution, spherical)


@functools.lru_cache(maxsize=None)
def _profile(microscope: Microscope, step: int) -> np.ndarray:
    """Transfer along a radius, at a multiple of LEVEL_STEP."""
    blur = step * LEVEL_STEP * BLUR_PER_LEVEL
    resolution = microscope.resolution
    if microscope.condenser is None:
        return fluorescence_transfer(_FREQUENCIES, blur, resolution, microscope.spherical)
    return bright_field_transfer(
        _FREQUENCIES, blur, resolution, microscope.condenser, microscope.phase
    )


@functools.lru_cache(maxsize=None)
def _grid() -> np.ndarray:
    """Where on that radius the frequencies and their neighbors lie, int (9, 240, 121)."""
    rows, cols = np.fft.fftfreq(FIELD)[:, None], np.fft.rfftfreq(FIELD)
    shifts = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    radii = np.array([np.hypot(rows + y, cols + x) for y, x in shifts])
    return np.minimum(np.rint(radii / _FREQUENCIES[1]), len(_FREQUENCIES) - 1).astype(np.intp)
