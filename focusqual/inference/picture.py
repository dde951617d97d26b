"""Pictures of measurements."""

import numpy as np
from matplotlib.colors import hsv_to_rgb

from focusqual.inference.measurement import FocusMeasurement
from focusqual.levels import LEVELS
from micrograph_networks.images.gray import to_gray

IN_FOCUS_HUE = 0.6
"""Blue; the hue falls to 0, red, at the last level."""
BORDER = 3
"""Smallest width of a patch's border in pixels."""
BORDER_SHARE = 1 / 300
"""Of the longer side, the width of a border, so that it is seen in a picture shown smaller."""
BORDER_LIMIT = 10
"""Largest width of a patch's border in pixels."""


def level_colors(levels: np.ndarray, certainties: np.ndarray) -> np.ndarray:
    """Colors whose hue is the level, blue to red, and whose lightness is the certainty.

    Parameters
    ----------
    levels : ndarray, (...)
        0 to 10.
    certainties : ndarray, (...)
        0, black, to 1, full color.

    Returns
    -------
    ndarray of float, (..., 3)
        RGB, 0 to 1.
    """
    hue = IN_FOCUS_HUE * (1 - np.asarray(levels) / (LEVELS - 1))
    return hsv_to_rgb(np.stack([hue, np.ones_like(hue), np.asarray(certainties)], axis=-1))


def annotate(image: np.ndarray, measurement: FocusMeasurement) -> np.ndarray:
    """Draw a border round every patch, hue the level, lightness the certainty.

    The picture of Yang and others' announcement of the method (Google Research, 2018).

    Parameters
    ----------
    image : ndarray, (height, width) or (height, width, 1 to 4)
        The image that was measured.
    measurement : FocusMeasurement

    Returns
    -------
    ndarray of float32, (height, width, 3)
        RGB, 0 to 1; the image is stretched between its 0.5th and 99.8th percentile.
    """
    gray = to_gray(image)
    if gray.dtype == bool:
        gray = gray.view(np.uint8)
    finite = gray[np.isfinite(gray)]
    low, high = np.percentile(finite, [0.5, 99.8]) if finite.size else (0, 1)
    contrast = max(high - low, np.finfo(np.float32).tiny)
    picture = np.empty((*gray.shape, 3), dtype=np.float32)
    # Row by row: the picture takes most of the memory that a large image needs.
    for row, shown in zip(gray, picture):
        known = np.where(np.isfinite(row), row, low)
        shown[:] = np.clip((known - low) / contrast, 0, 1)[:, None]
    colors = level_colors(measurement.level, measurement.certainty)
    border = int(np.clip(max(gray.shape) * BORDER_SHARE, BORDER, BORDER_LIMIT))
    # Where patches overlap the more certain one is seen.
    for place in np.argsort(measurement.certainty, axis=None):
        row, col = np.unravel_index(place, measurement.certainty.shape)
        if measurement.counted[row, col]:
            _frame(picture, measurement.boxes[row, col], colors[row, col], border)
    return picture


def _frame(picture: np.ndarray, box: np.ndarray, color: np.ndarray, border: int) -> None:
    y, x, height, width = box
    patch = picture[y : y + height, x : x + width]
    for edge in (patch[:border], patch[-border:], patch[:, :border], patch[:, -border:]):
        edge[...] = color
