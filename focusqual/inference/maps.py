"""Conversion of patches to pixels: maps, objects, and means within objects."""

from typing import Optional, Tuple

import numpy as np

from focusqual.inference.measurement import FocusMeasurement


def patch_map(
    values: np.ndarray,
    measurement: FocusMeasurement,
    shape: Tuple[int, int],
    mask: Optional[np.ndarray] = None,
) -> np.ndarray:
    """Assign the values of patches to the pixels that they cover.

    Parameters
    ----------
    values : ndarray, (rows, cols)
        One value per patch.
    measurement : FocusMeasurement
    shape : (height, width)
        Shape of the image.
    mask : ndarray of bool, (height, width), optional
        True where pixels count; everywhere by default.

    Returns
    -------
    ndarray of float32, (height, width)
        Mean where patches overlap; NaN outside of the mask and where no patch counts.
    """
    total, count = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    counted = measurement.counted
    for (y, x, height, width), value in zip(measurement.boxes[counted], values[counted]):
        total[y : y + height, x : x + width] += value
        count[y : y + height, x : x + width] += 1
    known = count > 0 if mask is None else (count > 0) & mask
    return np.where(known, total / np.maximum(count, 1), np.float32(np.nan))


def patch_pixels(measurement: FocusMeasurement) -> np.ndarray:
    """List the pixels of all patches, which may overlap.

    Returns
    -------
    ndarray of int32, (pixels, 3)
        Row, column and the number of the patch, from 1, in row-major order.
    """
    boxes = measurement.boxes.reshape(-1, 4)
    areas = boxes[:, 2] * boxes[:, 3]
    pixels = np.empty((areas.sum(), 3), dtype=np.int32)
    for number, (end, (y, x, height, width)) in enumerate(zip(areas.cumsum(), boxes), start=1):
        patch = pixels[end - height * width : end]
        patch[:, 0] = np.repeat(np.arange(y, y + height), width)
        patch[:, 1] = np.tile(np.arange(x, x + width), height)
        patch[:, 2] = number
    return pixels


def mean_within(pixels: np.ndarray, ijv: np.ndarray, count: int) -> np.ndarray:
    """Average a map within each object; objects may overlap.

    Parameters
    ----------
    pixels : ndarray, (height, width)
        NaN where there is no value.
    ijv : ndarray of int, (n, 3)
        Row, column and label, from 1, of the objects' pixels; those outside of the map are ignored.
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
