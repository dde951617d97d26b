"""Pictures of segmentations."""

from typing import Iterable, List, Sequence, Tuple

import numpy as np
from scipy.ndimage import binary_dilation
from skimage.segmentation import find_boundaries

from segment.classes import BACKGROUND, Color, PixelClass
from segment.inference.label_images import row_blocks
from segment.inference.normalization import as_color, measure_exposure, to_rgb

LINE_SHARE = 1 / 600
"""Half the width of a line relative to the longer side, so that it shows in a reduced picture."""
LINE_LIMIT = 3
"""Half the maximum width of a line in pixels, its center included."""


def overlay(image: np.ndarray, labels: Iterable[Tuple[np.ndarray, Color]]) -> np.ndarray:
    """Draw the outlines of objects on an image.

    Parameters
    ----------
    image : ndarray, (height, width) or (height, width, 1 to 4)
        Gray or color image of any exposure and bit depth; NaN becomes black.
    labels : iterable of (ndarray of int or bool, (height, width), Color)
        Label images, and the color of the outlines of each.

    Returns
    -------
    ndarray of uint8, (height, width, 3)
        RGB picture.
    """
    picture = np.empty((*image.shape[:2], 3), dtype=np.uint8)
    exposure = measure_exposure(as_color(image))
    for rows in row_blocks(picture):
        picture[rows] = np.rint(np.nan_to_num(to_rgb(image[rows], exposure)))
    for objects, color in labels:
        lines = outlines(objects)
        for channel, value in enumerate(color):
            picture[..., channel][lines] = round(255 * value)
    return picture


def class_regions(
    indices: np.ndarray, classes: Sequence[PixelClass]
) -> List[Tuple[np.ndarray, Color]]:
    """Return region and color of each class but the background, for :func:`overlay`.

    ``indices`` are the class indices of the pixels, int (height, width).
    """
    return [(indices == n, one.color) for n, one in enumerate(classes) if n != BACKGROUND]


def outlines(labels: np.ndarray) -> np.ndarray:
    """Return lines along the outlines of objects, bool (height, width), wider in larger images."""
    lines = find_boundaries(labels, mode="inner")
    wider = min(round(max(labels.shape) * LINE_SHARE), LINE_LIMIT) - 1
    return binary_dilation(lines, iterations=wider) if wider > 0 else lines
