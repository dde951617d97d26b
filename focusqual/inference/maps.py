"""Values of patches as maps over the image."""

import numpy as np


def patch_map(values, rating, shape):
    """Spread a value a patch over the pixels that the patch covers.

    Parameters
    ----------
    values : ndarray, (rows, cols)
    rating : FocusRating
    shape : (height, width)
        Of the image.

    Returns
    -------
    ndarray of float32, (height, width)
        Where patches overlap, their mean; NaN where no patch counts.
    """
    total, count = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for (y, x, height, width), value in zip(rating.boxes[rating.counted], values[rating.counted]):
        total[y : y + height, x : x + width] += value
        count[y : y + height, x : x + width] += 1
    return np.where(count > 0, total / np.maximum(count, 1), np.float32(np.nan))


def mean_within(pixels, ijv, count):
    """Average a map within each object; objects may overlap.

    Parameters
    ----------
    pixels : ndarray, (height, width)
        NaN where there is no value.
    ijv : ndarray of int, (n, 3)
        Rows, columns and labels, from 1 on, of the objects' pixels; those outside of the map are
        left out.
    count : int
        Number of objects.

    Returns
    -------
    ndarray of float, (count,)
        NaN for objects without a value.
    """
    rows, cols, labels = ijv.T
    inside = (rows < pixels.shape[0]) & (cols < pixels.shape[1])
    values, labels = pixels[rows[inside], cols[inside]], labels[inside]
    known = np.isfinite(values)
    sums = np.bincount(labels[known], values[known], count + 1)[1:]
    areas = np.bincount(labels[known], minlength=count + 1)[1:]
    return np.where(areas > 0, sums / np.maximum(areas, 1), np.nan)
