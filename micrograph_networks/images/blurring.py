"""Convolution of images with a kernel."""

import numpy as np
from scipy.signal import oaconvolve


def blur(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Convolve an image, which is mirrored at its borders, with a kernel.

    Parameters
    ----------
    image : ndarray of float, (height, width)
    kernel : ndarray of float, (2 radius + 1, 2 radius + 1)
        Its sum is 1.

    Returns
    -------
    ndarray, (height, width)
        Of the dtype and within the range of the image.
    """
    padded = np.pad(image, kernel.shape[0] // 2, mode="symmetric")
    blurred = oaconvolve(padded, kernel, mode="valid")
    # Rounding in the transform exceeds the input's range by about 1e-7.
    return np.clip(blurred, image.min(), image.max()).astype(image.dtype)
