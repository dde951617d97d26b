"""Measure and select the objects of label images and regions, in bounded memory.

In a label image (``labels``, int32 (height, width)), 0 is the background and the objects are 1, 2,
... A region is a bool array (height, width). Results for every object are arrays (count,).
"""

import math
from typing import Iterator, Union

import numpy as np
from scipy import ndimage
from skimage.morphology import convex_hull_image
from skimage.util import map_array

ROWS_AT_ONCE = 256
"""Rows of an image that are processed at a time where this takes many bytes a pixel."""
PIXELS_AT_ONCE = 2**22
"""Pixels of the largest region that is processed at full resolution: distances and watershed take
more than 60 bytes a pixel."""
EIGHT = np.ones((3, 3), dtype=bool)
"""Neighborhood of a pixel in which objects may touch at corners."""


def areas(labels: np.ndarray) -> np.ndarray:
    """Return the number of pixels of every object, int."""
    return sums(labels, True).astype(int)


def means(labels: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the mean of values, broadcast to the image, over the pixels of every object, float."""
    return sums(labels, values) / areas(labels)


def sums(labels: np.ndarray, values: Union[np.ndarray, bool]) -> np.ndarray:
    """Return the sum of values, broadcast to the image, over the pixels of every object, float."""
    values = np.broadcast_to(values, labels.shape)
    numbers = np.arange(1, labels.max() + 1)
    total = np.zeros(len(numbers))
    # sum_labels takes 20 bytes a pixel, too much for a whole image.
    for rows in row_blocks(labels):
        total += ndimage.sum_labels(values[rows], labels[rows], numbers)
    return total


def keep(labels: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Remove objects that are not ``kept``, bool (count,), in place; number the others from 1."""
    return renumber(labels, np.where(kept, np.cumsum(kept), 0))


def renumber(labels: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Give objects the ``numbers``, int (count,), in place; 0 removes an object."""
    return map_array(labels, np.arange(len(numbers) + 1), np.append(0, numbers), out=labels)


def discard_border(labels: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Return the objects that touch neither the border of the image nor pixels that are not valid.

    An object in several parts is removed as a whole, unlike by skimage's clear_border.
    """
    border = valid & ~ndimage.binary_erosion(valid, EIGHT)
    return keep(labels.copy(), sums(labels, border) == 0)


def distances_inside(region: np.ndarray) -> np.ndarray:
    """Return the distance of each pixel to the nearest one outside of the region or the array."""
    return ndimage.distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]


def half_width(region: np.ndarray) -> float:
    """Return the largest of the distances inside a region, approximate if it is large."""
    step = coarse_step(region.size)
    return step * distances_inside(region[::step, ::step]).max()


def coarse_step(size: int) -> int:
    """Return the step along both axes that reduces ``size`` pixels to PIXELS_AT_ONCE."""
    return math.ceil(math.sqrt(size / PIXELS_AT_ONCE))


def solidity(region: np.ndarray) -> float:
    """Return the share of its convex hull that a region takes up, 0 to 1."""
    return region.sum() / convex_hull_image(region).sum()


def row_blocks(image: np.ndarray) -> Iterator[slice]:
    """Yield slices of :data:`ROWS_AT_ONCE` rows of an image from top to bottom."""
    for start in range(0, len(image), ROWS_AT_ONCE):
        yield slice(start, start + ROWS_AT_ONCE)
