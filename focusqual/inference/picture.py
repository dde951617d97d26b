"""Annotated pictures of measured images."""

import numpy as np
from matplotlib.colors import hsv_to_rgb
from skimage.color import lab2rgb

from focusqual.inference.measurement import FocusMeasurement
from focusqual.inference.options import RAINBOW
from focusqual.levels import LEVELS
from micrograph_networks.images.gray import to_gray

IN_FOCUS_HUE = 0.6
"""Blue, the hue of level 0; the hue of the last level is 0, red."""
UNIFORM_ENDS = ((60, 0, -45), (60, 30, 60))
"""Blue and orange, the colors of levels 0 and 10 of the uniform palette in CIELAB. All levels have
the same lightness and the same distance to the next; color-blind people see the difference in b."""
UNCERTAIN = 0.3
"""Gray level of certainty 0, which is visible on black and on white."""
BORDER_SHARE = 1 / 300
"""Width of a patch's border as a share of the longer side, so that it remains visible when a large
picture is shown smaller."""
BORDER_LIMITS = (3, 10)
"""Minimum and maximum width of a patch's border in pixels."""


def level_colors(levels: np.ndarray, certainties: np.ndarray, palette: str = RAINBOW) -> np.ndarray:
    """Return colors whose hue shows the level and whose lightness and saturation the certainty.

    Parameters
    ----------
    levels : ndarray, (...)
        0 (blue) to 10 (red, or orange).
    certainties : ndarray, (...)
        0 (dark gray) to 1 (full color).
    palette : str
        See :class:`focusqual.inference.options.PictureOptions`.

    Returns
    -------
    ndarray of float, (..., 3)
        RGB, 0 to 1.
    """
    blur = np.asarray(levels)[..., None] / (LEVELS - 1)
    if palette == RAINBOW:
        hue = IN_FOCUS_HUE * (1 - blur)
        certain = hsv_to_rgb(hue * (1, 0, 0) + (0, 1, 1))
    else:
        in_focus, out_of_focus = np.array(UNIFORM_ENDS)
        certain = lab2rgb(in_focus + blur * (out_of_focus - in_focus))
    return UNCERTAIN + np.asarray(certainties)[..., None] * (certain - UNCERTAIN)


def annotate(
    image: np.ndarray, measurement: FocusMeasurement, palette: str = RAINBOW
) -> np.ndarray:
    """Draw a border around each patch in the color of its level and certainty.

    The design is that of the authors' announcement of the method (Google Research, 2018). Where
    patches overlap, the more certain one is on top.

    Parameters
    ----------
    image : ndarray, (height, width) or (height, width, 1 to 4)
        Image that was measured.
    measurement : FocusMeasurement
    palette : str
        See :func:`level_colors`.

    Returns
    -------
    ndarray of float32, (height, width, 3)
        RGB, 0 to 1; the contrast is stretched between the 0.5th and 99.8th percentiles.
    """
    picture = stretch(to_gray(image))
    colors = level_colors(measurement.level, measurement.certainty, palette)
    border = int(np.clip(max(picture.shape) * BORDER_SHARE, *BORDER_LIMITS))
    for index in np.argsort(measurement.certainty, axis=None):
        row, col = np.unravel_index(index, measurement.certainty.shape)
        if measurement.counted[row, col]:
            y, x, height, width = measurement.boxes[row, col]
            patch = picture[y : y + height, x : x + width]
            for edge in (patch[:border], patch[-border:], patch[:, :border], patch[:, -border:]):
                edge[...] = colors[row, col]
    return picture


def stretch(gray: np.ndarray) -> np.ndarray:
    """Return the gray image as RGB with stretched contrast, float32 (height, width, 3)."""
    if gray.dtype == bool:
        gray = gray.view(np.uint8)
    finite = gray[np.isfinite(gray)]
    low, high = np.percentile(finite, [0.5, 99.8]) if finite.size else (0, 1)
    contrast = max(high - low, np.finfo(np.float32).tiny)
    picture = np.empty((*gray.shape, 3), dtype=np.float32)
    # Row by row, because the picture needs most of the memory for a large image.
    for row, shown in zip(gray, picture):
        known = np.where(np.isfinite(row), row, low)
        shown[:] = np.clip((known - low) / contrast, 0, 1)[:, None]
    return picture
