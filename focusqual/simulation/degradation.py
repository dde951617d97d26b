"""Degradation of whole images, keeping their bit depth."""

from typing import Optional

import numpy as np

from focusqual.levels import LEVEL_DEPTH, STANDARD_OPTICS
from focusqual.optics import Optics
from focusqual.simulation.camera import add_noise, digitize
from focusqual.simulation.defocus import defocus
from micrograph_networks.images.gray import to_gray


def degrade(
    image: np.ndarray,
    level: float,
    optics: Optics = STANDARD_OPTICS,
    exposure: float = 1.0,
    offset: float = 0.0,
    photons: Optional[float] = None,
    seed: int = 0,
) -> np.ndarray:
    """Defocus an image, change its exposure and add noise, in this order.

    Parameters
    ----------
    image : ndarray, (height, width) or (height, width, 1 to 4)
        Gray or color; color is converted to gray.
    level : float
        Defocus in steps of LEVEL_DEPTH.
    optics : Optics
        Optics of the image.
    exposure : float
        Ratio of the new to the old exposure.
    offset : float
        Camera offset (gray level without light).
    photons : float, optional
        Photons of the brightest pixel before degradation; no noise is added by default.
    seed : int
        Seed of the noise.

    Returns
    -------
    ndarray, (height, width)
        Image of the same dtype; integers saturate at its range.
    """
    dtype = image.dtype
    gray = to_gray(image)
    degraded = (defocus(gray, level * LEVEL_DEPTH, optics) - offset) * exposure + offset
    if photons is not None:
        gain = max(float(gray.max()) - offset, 1e-9) / photons
        rng = np.random.default_rng(seed)
        degraded = add_noise((degraded - offset) / gain, rng) * gain + offset
    if dtype.kind == "f":
        return degraded.astype(dtype)
    return digitize(degraded, 8 * dtype.itemsize).astype(dtype)
