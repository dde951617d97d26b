"""One tiling for scores, pictures and tables."""

from typing import Tuple, Union

import numpy as np


def tile_starts(length: int, size: int, stride: int) -> np.ndarray:
    """Where tiles begin along one axis so that every pixel is covered.

    The last tile is moved inwards to end with the axis, so no pixel at the far edge is left out.

    Parameters
    ----------
    length, size, stride : int
        Length of the axis, of a tile, and the step between tiles, in pixels; 1 <= stride <= size.

    Returns
    -------
    ndarray of int, increasing
        ``[0]`` where the axis is no longer than a tile.

    Raises
    ------
    ValueError
        The stride is below 1 or above the tile's size.

    Examples
    --------
    >>> tile_starts(200, 84, 84)
    array([  0,  84, 116])
    """
    if not 1 <= stride <= size:
        raise ValueError(f"stride must lie between 1 and {size} pixels, not {stride}")
    last = max(length - size, 0)
    return np.unique(np.append(np.arange(0, last, stride), last))


def pad_to(image: np.ndarray, size: Union[int, Tuple[int, int]]) -> np.ndarray:
    """Pad the first two axes at their far ends by reflection up to ``size`` pixels.

    Parameters
    ----------
    image : ndarray, (height, width, ...)
    size : int or tuple of int
        Of both axes, or of each.

    Returns
    -------
    ndarray
        At least ``size`` pixels high and wide; the image itself where it is large enough.
    """
    wanted = np.broadcast_to(size, 2)
    missing = [(0, max(length - present, 0)) for length, present in zip(wanted, image.shape)]
    if not np.any(missing):
        return image
    # 'symmetric' repeats the edge pixel and so works from a single pixel on; 'reflect' does not.
    return np.pad(image, missing + [(0, 0)] * (image.ndim - 2), mode="symmetric")
