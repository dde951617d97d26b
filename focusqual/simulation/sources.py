"""Photographs as sources of light, to be defocused and photographed again."""

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.restoration import estimate_sigma


def clean(image: np.ndarray) -> np.ndarray:
    """Bring a photograph to the range of a scene and quieten its background.

    The camera's noise must not be blurred along with the cells: the network would read the level
    off the grain of empty patches. Where the smoothed image does not rise above the noise it
    fades to 0.

    Parameters
    ----------
    image : ndarray, (height, width)

    Returns
    -------
    ndarray of float32, (height, width)
        At least 0; bright cells are about 1.
    """
    low, high = np.percentile(image, [2, 99.8])
    scaled = (image.astype(np.float32) - low) / max(high - low, 1e-6)
    floor = 4 * estimate_sigma(scaled) + 0.01
    signal = np.clip(gaussian_filter(scaled, 2) / floor - 0.5, 0, 1)
    return np.maximum(scaled, 0) * signal
