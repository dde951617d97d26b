"""Photographs as sources of light, to be defocused and photographed again."""

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.restoration import estimate_sigma

from micrograph_networks.errors import UserError

DARK_BACKGROUND = 0.25
"""Highest background of a fluorescence image, as a fraction of its range of gray levels. With a
brighter background, structures may be darker than their surroundings."""


def clean(image: np.ndarray) -> np.ndarray:
    """Scale a photograph like a scene, and remove the noise of its background.

    Otherwise the camera's noise would be blurred along with the cells, and the network would learn
    the level from the grain of empty patches. The image fades to 0 where it is not above the noise
    after smoothing.

    Parameters
    ----------
    image : ndarray, (height, width), any real dtype

    Returns
    -------
    ndarray of float32, (height, width)
        Bright cells are about 1 and the background is 0. In fluorescence nothing is below 0; in
        transmitted light structures that are darker than the background are.

    Raises
    ------
    UserError
        Some pixels are NaN or infinite.
    """
    if not np.isfinite(image).all():
        raise UserError("Some pixels are NaN or infinite: leave the image out.")
    # Large values would lose digits as float32.
    light = image.astype(np.promote_types(image.dtype, np.float32))
    low, high = np.percentile(image, [2, 99.8])
    scaled = ((light - low) / ((high - low) or 1)).astype(np.float32)
    noise = estimate_sigma(scaled) if high > low else 0  # without differences it is NaN
    floor = 4 * noise + 0.01
    counts, edges = np.histogram(scaled, bins=50, range=(0, 1))
    background = float(edges[counts.argmax()])
    transmitted = background > DARK_BACKGROUND
    if transmitted:
        scaled -= background
    signal = np.clip(np.abs(gaussian_filter(scaled, 2)) / floor - 0.5, 0, 1)
    return (scaled if transmitted else np.maximum(scaled, 0)) * signal
