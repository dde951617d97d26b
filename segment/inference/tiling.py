"""Overlapping tiles in which the dark-field network computes an image at the working scale."""

import math
from typing import NamedTuple, Tuple

import numpy as np

from micrograph_networks.images.tiling import tile_starts
from segment.inference.network import STRIDE, whole_strides

UNSEEN = 128
"""Pixels along the inner borders of tiles whose probabilities are not used.

The network's 13 + 11 convolutions and 5 poolings see up to 160 pixels beyond the border of a tile;
what lies farther than 128 pixels away changes probabilities by less than 1e-3."""
OVERLAP = 288
"""Pixels that neighboring tiles share, a multiple of the network's stride: the unseen ones of both,
and 32 that are needed to resize the probabilities of each tile up to the seam between them."""


class Tiles(NamedTuple):
    """Tiles of one size along one axis at the working scale.

    Attributes
    ----------
    starts : ndarray of int, (n,)
        Multiples of the network's stride, so that pooling is aligned in all tiles.
    size : int
        Length of each tile.
    seams : ndarray of int, (n + 1,)
        Tile i provides the pixels from seam i to seam i + 1.
    """

    starts: np.ndarray
    size: int
    seams: np.ndarray


def divide_image(shape: Tuple[int, ...], largest: int) -> Tuple[Tiles, Tiles]:
    """Divide an image into tiles that together have the fewest pixels.

    Parameters
    ----------
    shape : tuple of int
        Height and width at the working scale.
    largest : int
        Square root of the maximum number of pixels of a tile.

    Returns
    -------
    Tiles, Tiles
        Tiles along the vertical and the horizontal axis.
    """
    grids = []
    for across in range(1, _count(shape[1], largest) + 1):
        width = _size(shape[1], across)
        tallest = largest**2 // width // STRIDE * STRIDE
        if tallest > OVERLAP:
            down = _count(shape[0], tallest)
            grids.append((down * _size(shape[0], down) * across * width, across, down))
    _, across, down = min(grids)
    return _divide_axis(shape[0], down), _divide_axis(shape[1], across)


def _divide_axis(length: int, count: int) -> Tiles:
    padded, size = whole_strides(length), _size(length, count)
    starts = tile_starts(padded, size, max(size - OVERLAP, STRIDE))
    inner = (starts[:-1] + size + starts[1:]) // 2
    return Tiles(starts, size, np.array([0, *inner, length]))


def _count(length: int, largest: int) -> int:
    """Return the number of tiles along an axis that are no longer than ``largest``."""
    return max(math.ceil((whole_strides(length) - OVERLAP) / (largest - OVERLAP)), 1)


def _size(length: int, count: int) -> int:
    """Return the length of the shortest tiles of which ``count`` cover an axis."""
    return whole_strides((whole_strides(length) + (count - 1) * OVERLAP) / count)
