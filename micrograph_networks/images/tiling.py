"""Tiling of images: where tiles or patches start, and padding of small images."""

from typing import Tuple, Union

import numpy as np


def tile_starts(length: int, size: int, stride: int) -> np.ndarray:
    """Return where tiles start along one axis so that they cover every pixel.

    The last tile is moved inward to end at the edge.

    Parameters
    ----------
    length, size, stride : int
        Length of the axis, length of a tile, and step between tiles in pixels; 1 <= stride <= size.

    Returns
    -------
    ndarray of int, increasing
        ``[0]`` if the axis is not longer than a tile.

    Raises
    ------
    ValueError
        The stride is below 1 or above the size of a tile.

    Examples
    --------
    >>> tile_starts(200, 84, 84)
    array([  0,  84, 116])
    """
    if not 1 <= stride <= size:
        raise ValueError(f"stride must be between 1 and {size} pixels, not {stride}")
    last = max(length - size, 0)
    return np.unique(np.append(np.arange(0, last, stride), last))


def pad_to(image: np.ndarray, size: Union[int, Tuple[int, int]]) -> np.ndarray:
    """Pad the lower and right edge by reflection up to a minimum height and width.

    Parameters
    ----------
    image : ndarray, (height, width, ...)
    size : int or (int, int)
        Minimum height and width in pixels.

    Returns
    -------
    ndarray
        The image itself if it is large enough.
    """
    wanted = np.broadcast_to(size, 2)
    missing = [(0, max(length - present, 0)) for length, present in zip(wanted, image.shape)]
    if not np.any(missing):
        return image
    # 'reflect' does not repeat the edge pixel and therefore fails for an image of one pixel.
    return np.pad(image, missing + [(0, 0)] * (image.ndim - 2), mode="symmetric")
