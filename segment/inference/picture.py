"""Pictures of segmentations."""

from typing import Iterable, List, Sequence, Tuple

import numpy as np
from scipy.ndimage import binary_dilation
from skimage.segmentation import find_boundaries

from segment.classes import BACKGROUND, Color, PixelClass
from segment.inference.normalization import to_rgb
from segment.inference.objects import row_blocks

LINE_SHARE = 1 / 600
"""Of the longer side, half the width of a line, so that it is seen in a picture shown smaller."""
LINE_LIMIT = 3
"""Pixels of half the widest line, its middle included."""


def overlay(image: np.ndarray, labels: Iterable[Tuple[np.ndarray, Color]]) -> np.ndarray:
    """Draw the outlines of objects on the image.

    Parameters
    ----------
    image : ndarray, (height, width) or (height, width, 1 to 4)
        As the network saw it: :func:`segment.inference.normalization.to_rgb`.
    labels : iterable of (ndarray of int, (height, width), Color)
        0 outside of objects, which have different numbers, and the color of their outlines.

    Returns
    -------
    ndarray of uint8, (height, width, 3)
        RGB.
    """
    picture = np.empty((*image.shape[:2], 3), dtype=np.uint8)
    for rows in row_blocks(picture):
        picture[rows] = np.rint(np.nan_to_num(to_rgb(image[rows])))
    for objects, color in labels:
        draw_outlines(picture, objects, color)
    return picture


def class_regions(
    indices: np.ndarray, classes: Sequence[PixelClass]
) -> List[Tuple[np.ndarray, Color]]:
    """The regions of all classes but the background, for :func:`overlay`.

    Parameters
    ----------
    indices : ndarray of int, (height, width)
        Of the classes.
    classes : sequence of PixelClass

    Returns
    -------
    list of (ndarray of bool, (height, width), Color)
    """
    return [(indices == n, one.color) for n, one in enumerate(classes) if n != BACKGROUND]


def draw_outlines(picture: np.ndarray, labels: np.ndarray, color: Color) -> None:
    """Draw the outlines of objects.

    Parameters
    ----------
    picture : ndarray of uint8, (height, width, 3)
        RGB; changed in place.
    labels : ndarray of int, (height, width)
    color : Color
    """
    lines = outlines(labels)
    for channel, value in enumerate(color):
        picture[..., channel][lines] = round(255 * value)


def outlines(labels: np.ndarray) -> np.ndarray:
    """Lines along the outlines of objects, wider in larger images.

    Parameters
    ----------
    labels : ndarray of int, (height, width)

    Returns
    -------
    ndarray of bool, (height, width)
    """
    lines = find_boundaries(labels, mode="inner")
    wider = min(round(max(labels.shape) * LINE_SHARE), LINE_LIMIT) - 1
    return binary_dilation(lines, iterations=wider) if wider > 0 else lines
