"""The scale at which the dark-field network sees an image, and resizing to it and back."""

import math
from typing import Callable, Optional, Sequence, Tuple

import numpy as np
from PIL import Image

from segment.inference.model import SegmentationModel

ROWS_AT_ONCE = 64
"""Rows of the result that are resized at a time, to limit the memory for large images."""


def working_scale(
    shape: Sequence[int], model: SegmentationModel, cell_diameter: Optional[float] = None
) -> float:
    """Return the factor by which an image is resized for the network.

    Without a cell diameter, the longer side of the image becomes the model's working size, as in
    training. With one, the cells become as large as they were in training.

    Parameters
    ----------
    shape : tuple of int
        Height, width, ... of the image.
    model : SegmentationModel
    cell_diameter : float, optional
        Typical diameter of a blood cell in pixels of the image.
    """
    if cell_diameter is None:
        return model.working_size / max(shape[:2])
    return model.cell_diameter / cell_diameter


def scaled_shape(shape: Sequence[int], scale: float) -> Tuple[int, ...]:
    """Return height and width after scaling, int, at least one pixel each."""
    return tuple(max(round(length * scale), 1) for length in shape[:2])


def resize(image: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Resize an image, (height, width) or (height, width, channels), to (*shape, ...), float32.

    The interpolation is bilinear; where the image becomes smaller, pixels are averaged.
    """
    resized = np.empty((*shape, *image.shape[2:]), dtype=np.float32)
    resize_rows(image, 0, len(image), resized)
    return resized


def resize_rows(
    image: np.ndarray,
    top: float,
    bottom: float,
    result: np.ndarray,
    convert: Callable[[np.ndarray], np.ndarray] = np.asarray,
) -> None:
    """Resize some rows of an image as :func:`resize` does, in bounded memory.

    Parameters
    ----------
    image : ndarray, (height, width) or (height, width, channels)
    top, bottom : float
        Range of rows of the image that becomes the result, 0 to height. Rows beyond it contribute
        to the interpolation at its ends.
    result : ndarray of float32, (new height, new width) or (new height, new width, channels)
        Array that is written to.
    convert : callable, optional
        Function that is applied to the rows of the image before they are resized.
    """
    image, result = np.atleast_3d(image), np.atleast_3d(result)
    ratio = (bottom - top) / max(len(result), 1)
    reach = max(ratio, 1) + 1
    for start in range(0, len(result), ROWS_AT_ONCE):
        chunk = result[start : start + ROWS_AT_ONCE]
        upper = top + start * ratio
        lower = min(upper + len(chunk) * ratio, len(image))
        first = max(math.floor(upper - reach), 0)
        rows = convert(image[first : math.ceil(lower + reach)])
        box = (0, upper - first, image.shape[1], lower - first)
        size = chunk.shape[1], chunk.shape[0]
        for channel in range(result.shape[2]):
            plane = Image.fromarray(rows[..., channel].astype(np.float32))
            chunk[..., channel] = plane.resize(size, Image.Resampling.BILINEAR, box)


def resize_labels(labels: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Resize a label image, (height, width), by taking the nearest pixel."""
    rows = ((np.arange(shape[0]) + 0.5) * labels.shape[0] / shape[0]).astype(int)
    columns = ((np.arange(shape[1]) + 0.5) * labels.shape[1] / shape[1]).astype(int)
    return labels[rows[:, None], columns]
