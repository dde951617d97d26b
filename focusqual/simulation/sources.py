"""Photographs as sources of light, to be defocused and photographed again."""

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.restoration import estimate_sigma

DARK_BACKGROUND = 0.25
"""Where in the range of its gray levels an image has its commonest one, at most, to be a
fluorescence image; above, structures may be darker than what surrounds them."""


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
        Bright cells are about 1 and the background is 0. In fluorescence nothing is below 0; in
        transmitted light what is darker than the background is.
    """
    low, high = np.percentile(image, [2, 99.8])
    scaled = (image.astype(np.float32) - low) / max(high - low, 1e-6)
    floor = 4 * estimate_sigma(scaled) + 0.01
    background = commonest(scaled)
    transmitted = background > DARK_BACKGROUND
    if transmitted:
        scaled -= background
    signal = np.clip(np.abs(gaussian_filter(scaled, 2)) / floor - 0.5, 0, 1)
    return (scaled if transmitted else np.maximum(scaled, 0)) * signal


def commonest(scaled: np.ndarray) -> float:
    """The gray level that most pixels have.

    Parameters
    ----------
    scaled : ndarray of float
        Values outside of 0 to 1 do not count.

    Returns
    -------
    float
        To a fiftieth, 0 to 1.
    """
    counts, edges = np.histogram(scaled, bins=50, range=(0, 1))
    return float(edges[counts.argmax()])
