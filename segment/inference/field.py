"""The part of an image that is the picture, without margins around it."""

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull

from segment.inference.label_images import EIGHT, coarse_step

NARROWEST = 16
"""Shorter side of the smallest image in which margins are searched, in pixels."""
LEAST_MARGIN = 0.002
"""Smallest share of the image that margins take up."""
LEAST_SHARE, LEAST_SQUARE = 0.3, 0.6
"""Area of the smallest picture, relative to the image and to the square of its shorter side. A
large cell on black may have a convex outline, too, but a round field of view fills more."""
PURITY = 0.5
"""Minimum share of a margin that has its color; a scale bar and text have others."""
CONVEX = 0.8
"""Minimum share of an edge that is within a pixel of the convex hull. Saturated cells may interrupt
it if the margin is white."""
STEP = 0.7
"""Minimum difference from the color near to an edge, relative to that deeper inside. If the values
fade until they are clipped, it is at most about 0.5."""
NEAR, DEEP = (3, 4), (7, 8)
"""Depths in pixels below an edge at which the differences are compared."""
LEAST_LEVELS = 1.5
"""Minimum difference near to an edge in gray levels. In a smooth image of few levels, the regions
of one level have convex outlines, too."""
CONTRAST_LEVELS = 1000
"""Number of levels to which differences are rounded to find the gray levels of an image."""
BLENDED = 2
"""Width of the edge in pixels, which may be mixtures of picture and margin."""


def picture_area(image: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Return the valid pixels that belong to the picture, not to margins around it.

    Margins are bars at one or more sides, the black around a round, octagonal or rotated field of
    view, and frames. They have one color and end abruptly at a convex picture. This distinguishes
    them from a clipped background and from saturated cells:

    1. The color is that of a corner of the image. The picture is the largest connected set of
       pixels of other colors, and takes up at least 0.3 of the image and 0.6 of the square of its
       shorter side.
    2. Each connected part of the image outside of the picture's convex hull is judged by itself. It
       is a margin if at least half of its pixels have the color, the picture is within a pixel of
       the hull along at least 0.8 of the edge, and the edge is a step: 3 and 4 pixels inside, the
       median difference from the color is more than one gray level, and at least 0.7 of the median
       difference 7 and 8 pixels inside.
    3. Together they take up at least 0.002 of the image.
    4. This is repeated 2 pixels inside, for frames in margins and margins of two colors.

    So a scale bar or text in a margin is part of it. Margins that were compressed with losses, such
    as by JPEG, do not end abruptly and are not found.

    Parameters
    ----------
    image : ndarray, (height, width, channels)
    valid : ndarray of bool, (height, width)
        False for pixels that have no influence, such as those that are not finite.

    Returns
    -------
    ndarray of bool, (height, width)

    Notes
    -----
    In images of more than 4 megapixels, every n-th pixel along both axes is judged, which bounds
    the memory.
    """
    step = coarse_step(valid.size)
    margins = _find_margins(image[::step, ::step], valid[::step, ::step])
    if not margins.any():
        return valid
    if step > 1:  # margins may begin between two pixels that are judged
        margins = ndimage.binary_dilation(margins, EIGHT)
    height, width = valid.shape
    return valid & ~margins.repeat(step, axis=0).repeat(step, axis=1)[:height, :width]


def unblended(area: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Return a picture without the pixels that may be mixtures with its margins.

    Parameters
    ----------
    area : ndarray of bool, (height, width)
        Result of :func:`picture_area`.
    valid : ndarray of bool, (height, width)
        As for :func:`picture_area`.

    Returns
    -------
    ndarray of bool, (height, width)
    """
    return area & ~ndimage.binary_dilation(valid & ~area, EIGHT, BLENDED)


def _find_margins(image: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Return the margins of all colors, bool (height, width)."""
    margins, area = np.zeros_like(valid), valid
    while area.any():
        box = ndimage.find_objects(area.astype(np.uint8))[0]
        found = _outermost_margins(image[box], area[box], LEAST_MARGIN * valid.size)
        if not found.any():
            break
        margins = valid & ~area
        margins[box] |= found
        area = unblended(valid & ~margins, valid)
    return margins


def _outermost_margins(image: np.ndarray, valid: np.ndarray, least: float) -> np.ndarray:
    """Return the margins of the color of a corner, if they have ``least`` pixels."""
    corners = np.ix_((0, -1), (0, -1))
    if min(valid.shape) >= NARROWEST:
        for color in np.unique(image[corners][valid[corners]], axis=0):
            margins = _margins_of_color(valid, _differences(image, color), least)
            if np.count_nonzero(margins) >= least:
                return margins
    return np.zeros_like(valid)


def _differences(image: np.ndarray, color: np.ndarray) -> np.ndarray:
    """Return the difference from a color in the channel in which it is largest, float32."""
    differences = np.zeros(image.shape[:2], dtype=np.float32)
    for channel, value in enumerate(color.astype(np.float32)):
        difference = np.abs(image[..., channel].astype(np.float32) - value)
        np.maximum(differences, difference, out=differences)
    return differences


def _margins_of_color(valid: np.ndarray, differences: np.ndarray, least: float) -> np.ndarray:
    """Return the margins of the color from which pixels have these differences."""
    margins = np.zeros_like(valid)
    same = valid & (differences == 0)
    smallest = max(LEAST_SHARE * valid.size, LEAST_SQUARE * min(valid.shape) ** 2)
    if not least <= np.count_nonzero(same) <= valid.size - smallest:
        return margins
    picture = _largest_part(valid & ~same)
    if np.count_nonzero(picture) < smallest:
        return margins
    hull = _convex_hull(picture)
    near_hull = ndimage.binary_dilation(picture)
    level = _gray_level(differences[picture])
    parts, count = ndimage.label(valid & ~hull)
    for number in range(1, count + 1):
        part = parts == number
        depth = ndimage.distance_transform_cdt(~part)
        near, deep = (differences[picture & np.isin(depth, depths)] for depths in (NEAR, DEEP))
        if (
            same[part].mean() >= PURITY
            and near_hull[hull & (depth == 1)].mean() >= CONVEX
            and deep.size
            and np.median(near) >= max(STEP * np.median(deep), LEAST_LEVELS * level)
        ):
            margins |= part | (same & (depth == 1))
    return margins


def _largest_part(region: np.ndarray) -> np.ndarray:
    """Return the largest connected part of a region."""
    parts, _ = ndimage.label(region, EIGHT)
    areas = np.bincount(parts.ravel(), minlength=2)
    return parts == 1 + areas[1:].argmax()


def _gray_level(differences: np.ndarray) -> float:
    """Return the smallest distance between two differences, or from 0."""
    unit = differences.max() / CONTRAST_LEVELS
    return unit * np.diff(np.unique(np.rint(np.append(differences, 0) / unit))).min()


def _convex_hull(region: np.ndarray) -> np.ndarray:
    """Return the convex hull of a region, bool (height, width).

    It works with the ends of rows, which is much faster than skimage's convex_hull_image.
    """
    rows = np.flatnonzero(region.any(axis=1))
    starts = region[rows].argmax(axis=1)
    stops = region.shape[1] - region[rows, ::-1].argmax(axis=1)
    corners = ConvexHull(np.stack([np.tile(rows, 2), np.append(starts, stops)], axis=1)).vertices
    left = np.sort(corners[corners < len(rows)])
    right = np.sort(corners[corners >= len(rows)]) - len(rows)
    inside = np.arange(rows[0], rows[-1] + 1)
    centers = np.arange(region.shape[1]) + 0.5
    hull = np.zeros_like(region)
    hull[inside] = (np.interp(inside, rows[left], starts[left])[:, None] <= centers) & (
        centers <= np.interp(inside, rows[right], stops[right])[:, None]
    )
    return hull
