"""Grid of patches that covers an image."""

import math
from typing import Sequence

import numpy as np

from micrograph_networks.images.tiling import tile_starts

PATCH_SIZE = 84
"""Height and width of a patch in pixels, as in Yang et al. 2018."""


def patch_corners(shape: Sequence[int], stride: int) -> np.ndarray:
    """Return the top left corners of the patches that cover an image.

    Parameters
    ----------
    shape : (height, width)
        At least PATCH_SIZE each.
    stride : int
        Pixels from one patch to the next, 1 to 84.

    Returns
    -------
    ndarray of int, (rows, cols, 2)
        y and x.
    """
    tops, lefts = (tile_starts(length, PATCH_SIZE, stride) for length in shape)
    return np.stack(np.meshgrid(tops, lefts, indexing="ij"), axis=-1)


def real_share(shape: Sequence[int]) -> float:
    """Return the share of a patch that an image of a shape (height, width) fills, above 0.

    It is 1 unless the image is lower or narrower than a patch.
    """
    return math.prod(min(length, PATCH_SIZE) / PATCH_SIZE for length in shape)


def original_boxes(
    corners: np.ndarray, padded_shape: Sequence[int], shape: Sequence[int], factor: float
) -> np.ndarray:
    """Return the area of each patch in the original image.

    Parameters
    ----------
    corners : ndarray of int, (rows, cols, 2)
        Corners in the rescaled and padded image.
    padded_shape, shape : (height, width)
        Shapes of the rescaled and padded image and of the original image.
    factor : float
        Factor by which the original image was resized.

    Returns
    -------
    ndarray of int, (rows, cols, 4)
        y, x, height and width, at least 1 pixel; together they cover the image.
    """
    limits = np.array(shape)
    top_left = np.minimum(np.rint(corners / factor).astype(int), limits - 1)
    ends = corners + PATCH_SIZE
    bottom_right = np.minimum(np.rint(ends / factor).astype(int), limits)
    # Rounding must not omit the last rows and columns.
    bottom_right = np.where(ends >= padded_shape, limits, bottom_right)
    return np.concatenate([top_left, np.maximum(bottom_right - top_left, 1)], axis=-1)


def mostly_valid(valid: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Return which patches have at least half of their pixels valid, bool (rows, cols).

    Parameters
    ----------
    valid : ndarray of bool, (height, width)
    corners : ndarray of int, (rows, cols, 2)
    """
    areas = [
        np.count_nonzero(valid[y : y + PATCH_SIZE, x : x + PATCH_SIZE])
        for y, x in corners.reshape(-1, 2)
    ]
    return np.reshape(areas, corners.shape[:2]) >= PATCH_SIZE**2 / 2
