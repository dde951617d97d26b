"""Pictures of segmentations."""

import functools
from pathlib import Path
from typing import Iterable, List, Sequence, Tuple

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import binary_dilation
from skimage.segmentation import find_boundaries

from segment.classes import BACKGROUND, Color, PixelClass
from segment.inference.label_images import areas, means, row_blocks
from segment.inference.normalization import as_color, measure_exposure, to_rgb

LINE_SHARE = 1 / 600
"""Half the width of a line relative to the longer side, so that it shows in a reduced picture."""
LINE_LIMIT = 3
"""Half the maximum width of a line in pixels, its center included."""
FONT = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
SMALLEST_TEXT = 9
"""Minimum height of text in pixels."""
TEXT_SHARE = 1 / 40
"""Maximum height of text relative to the longer side."""


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


def name_objects(
    picture: np.ndarray, objects: Sequence[Tuple[np.ndarray, PixelClass]]
) -> np.ndarray:
    """Write the number of each object at its center, and a legend with the number of objects.

    Parameters
    ----------
    picture : ndarray of uint8, (height, width, 3)
        RGB picture, which is left as it is.
    objects : sequence of (ndarray of int, (height, width), PixelClass)
        Label image of each class, and the class.

    Returns
    -------
    ndarray of uint8, (height, width, 3)
    """
    named = Image.fromarray(picture)
    draw = ImageDraw.Draw(named)
    largest = max(SMALLEST_TEXT, round(max(named.size) * TEXT_SHARE))
    for line, (labels, one) in enumerate(objects):
        sizes = areas(labels)
        heights = np.clip(np.sqrt(sizes) / 2, SMALLEST_TEXT, largest).astype(int)
        x = means(labels, np.arange(labels.shape[1]))
        y = means(labels, np.arange(labels.shape[0])[:, None])
        for number, (column, row, height) in enumerate(zip(x, y, heights), 1):
            _write(draw, (column, row), str(number), one.color, height, "mm")
        place = (largest / 2, largest * (0.5 + 1.4 * line))
        _write(draw, place, f"{one.name}: {len(sizes)}", one.color, largest, "la")
    return np.asarray(named)


def _write(
    draw: ImageDraw.ImageDraw,
    place: Tuple[float, float],
    text: str,
    color: Color,
    height: int,
    anchor: str,
) -> None:
    """Write text of a color with a black edge, at most so high in pixels."""
    fill = tuple(round(255 * value) for value in color)
    edge = max(1, height // 8)
    draw.text(place, text, fill, _font(height), anchor, stroke_width=edge, stroke_fill=(0, 0, 0))


@functools.lru_cache(maxsize=None)
def _font(height: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(FONT), height)


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
