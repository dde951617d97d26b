"""Degradation of whole images, keeping their bit depth."""

from typing import Optional

import numpy as np

from focusqual.levels import LEVEL_DEPTH, STANDARD_OPTICS
from focusqual.optics import Optics
from focusqual.simulation.camera import add_noise, saturate
from focusqual.simulation.defocus import defocus
from micrograph_networks.images.gray import plain_array, to_gray, without_offset
from micrograph_networks.images.masking import mirror_inside, valid_pixels


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

    Pixels that are NaN or infinite, or masked in a masked array of ``numpy.ma``, stay as they
    are. For the others, a mirror image of valid pixels replaces them.

    Parameters
    ----------
    image : array_like, (height, width) or (height, width, 1 to 4), any real dtype
        Gray or color; color is converted to gray.
    level : float
        Defocus in steps of LEVEL_DEPTH.
    optics : Optics
        Optics of the image.
    exposure : float
        Ratio of the new to the old exposure.
    offset : float
        Camera offset (gray level without light). With noise, lower levels count as no light.
    photons : float, optional
        Photons of the brightest pixel before degradation; no noise is added by default.
    seed : int
        Seed of the noise.

    Returns
    -------
    ndarray, (height, width)
        Image of the same dtype, whose values saturate at its range; a masked array for one.

    Raises
    ------
    UserError
        The image is empty, or neither gray nor color.
    """
    pixels, own_mask = plain_array(image)
    gray = to_gray(pixels)
    valid = valid_pixels(gray, own_mask)
    light = mirror_inside(gray, valid)
    contrast, base = without_offset(light)
    blurred = defocus(contrast, level * LEVEL_DEPTH, optics) + base
    degraded = (blurred - offset) * exposure + offset
    if photons is not None:
        gain = max(float(light.max()) - offset, 1e-9) / photons
        rng = np.random.default_rng(seed)
        degraded = add_noise((degraded - offset) / gain, rng) * gain + offset
    result = saturate(np.where(valid, degraded, gray), np.asanyarray(image).dtype)
    return result if own_mask is None else np.ma.masked_array(result, ~own_mask)
