"""Classical measures of focus, for comparison. Larger values are sharper."""

import numpy as np
from scipy.ndimage import laplace


def power_log_log_slope(image: np.ndarray) -> float:
    """Return the slope of the radially summed power spectrum, both axes logarithmic.

    This is the PowerLogLogSlope of CellProfiler's MeasureImageQuality: a least-squares line through
    rings of integer radii from 2 to an eighth of the shorter side (Field and Brady 1997, Visual
    sensitivity, blur and the sources of variability in the amplitude spectra of natural scenes).

    Parameters
    ----------
    image : ndarray, (height, width)
        Each side has at least 32 pixels.

    Returns
    -------
    float
        0 for an image of one gray level.
    """
    image = np.asarray(image, dtype=float)
    power = np.abs(np.fft.fft2(image - image.mean())) ** 2
    # CellProfiler mirrors frequencies about the center of the array, half a step off.
    rows, cols = (np.minimum(np.arange(n), np.arange(n)[::-1]) for n in image.shape)
    radii = np.sqrt(rows[:, None] ** 2 + cols**2).astype(int) + 1
    rings = np.arange(2, int(min(image.shape) / 8))
    sums = np.bincount(radii.ravel(), power.ravel())[rings]
    filled = sums > 0
    if filled.sum() < 2:
        return 0.0
    return float(np.polyfit(np.log(rings[filled]), np.log(sums[filled]), 1)[0])


def laplacian_variance(image: np.ndarray) -> float:
    """Return the variance of the Laplacian.

    Pech-Pacheco et al. 2000, Diatom autofocusing in brightfield microscopy: a comparative study.

    Parameters
    ----------
    image : ndarray, (height, width)
        Integers are divided by the largest value of their type first.
    """
    largest = np.iinfo(image.dtype).max if image.dtype.kind in "ui" else 1
    return float(laplace(image.astype(float) / largest).var())
