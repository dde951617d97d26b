"""Pictures of segmentations."""

import numpy as np
from scipy.ndimage import binary_dilation

from segment.classes import BLOOD_CELL, COLOURS, SPIROCHAETE
from segment.inference.normalisation import to_rgb

LINE_SHARE = 1 / 600
"""Of the longer side, the width of a line, so that it is seen in a picture shown smaller."""
LINE_LIMIT = 3
ROWS_AT_ONCE = 256


def overlay(image, cells, spirochaetes):
    """Draw the outlines of objects on the image.

    Parameters
    ----------
    image : ndarray, (height, width) or (height, width, 1 to 4)
        As the network saw it: :func:`segment.inference.normalisation.to_rgb`.
    cells, spirochaetes : ndarray of int, (height, width)
        0 outside of objects, which have different numbers.

    Returns
    -------
    ndarray of uint8, (height, width, 3)
        RGB.
    """
    picture = np.empty((*image.shape[:2], 3), dtype=np.uint8)
    for start in range(0, len(picture), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        picture[rows] = np.rint(np.nan_to_num(to_rgb(image[rows])))
    for labels, index in ((cells, BLOOD_CELL), (spirochaetes, SPIROCHAETE)):
        draw_outlines(picture, labels, index)
    return picture


def draw_outlines(picture, labels, index):
    """Draw the outlines of objects in the colour of a class.

    Parameters
    ----------
    picture : ndarray of uint8, (height, width, 3)
        RGB; changed in place.
    labels : ndarray of int, (height, width)
    index : int
        Of the class.
    """
    lines = outlines(labels)
    for channel, value in enumerate(COLOURS[index]):
        picture[..., channel][lines] = round(255 * value)


def outlines(labels):
    """Lines along the outlines of objects, wider in larger images.

    Parameters
    ----------
    labels : ndarray of int, (height, width)

    Returns
    -------
    ndarray of bool, (height, width)
    """
    lines = np.zeros(labels.shape, dtype=bool)
    for axis in (0, 1):
        swapped, drawn = labels.swapaxes(0, axis), lines.swapaxes(0, axis)
        change = swapped[1:] != swapped[:-1]
        drawn[1:] |= change
        drawn[:-1] |= change
    lines &= labels > 0
    wider = min(round(max(labels.shape) * LINE_SHARE), LINE_LIMIT) - 1
    return binary_dilation(lines, iterations=wider) if wider > 0 else lines
