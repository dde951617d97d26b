"""Probabilities of the classes for every pixel of an image of any size, in bounded memory."""

import math
from typing import Iterable, Iterator, Optional, Tuple

import numpy as np

from micrograph_networks.engines import InferenceFunction
from micrograph_networks.images.tiling import pad_to, tile_starts
from segment.inference.model import SegmentationModel
from segment.inference.network import STRIDE, whole_strides
from segment.inference.normalization import as_color, normalize, to_rgb
from segment.inference.scaling import resample, resampling, scaled_shape, working_scale

UNSEEN = 128
"""Pixels along a tile's inner border that are left out.

The network's 13 + 11 convolutions and 5 poolings bring something from beyond the border, which a
tile lacks, to 160 pixels; beyond 128 it changes probabilities by less than 1e-3."""
OVERLAP = 288
"""Pixels that neighboring tiles share, a multiple of the network's stride: the unseen ones of both
and, between them, those over which one blends into the other."""

MIRRORED: Tuple[Tuple[int, ...], ...] = ((0,), (1,), (0, 1))
"""Axes along which an image is mirrored in each view."""


def mean_of_views(
    image: np.ndarray, model: SegmentationModel, cell_diameter: Optional[float] = None
) -> np.ndarray:
    """Probabilities of an image, mean over the image and its three mirrored views.

    Parameters, result and errors as for :func:`predict_probabilities`.
    """
    total = predict_probabilities(image, model, cell_diameter)
    for axes in MIRRORED:
        mirrored = predict_probabilities(np.flip(image, axes), model, cell_diameter)
        total += np.flip(mirrored, axes)
    total /= 1 + len(MIRRORED)
    return total


def predict_probabilities(
    image: np.ndarray, model: SegmentationModel, cell_diameter: Optional[float] = None
) -> np.ndarray:
    """Tell the probabilities of the classes for every pixel.

    The image is brought to the working scale, predicted in tiles that blend into each other, and
    the probabilities are brought back to the image's size, all row by row: no more than a row of
    tiles is held in memory besides the image and the result.

    Parameters
    ----------
    image : ndarray, (height, width) or (height, width, 1 to 4)
        As :func:`segment.inference.normalization.to_rgb` takes it, without NaN.
    model : SegmentationModel
    cell_diameter : float, optional
        As for :func:`segment.inference.scaling.working_scale`.

    Returns
    -------
    ndarray of float32, (height, width, classes)
        Sums to 1 over the classes.

    Raises
    ------
    UserError
        The image is a stack, empty, or of a dtype without a known range.
    """
    image = as_color(image)
    working = scaled_shape(image.shape, working_scale(image.shape, model, cell_diameter))
    classes = len(model.classes)
    probabilities = np.empty((*image.shape[:2], classes), dtype=np.float32)
    model.tiles.run(
        lambda network, largest: _resize_bands(
            _finished_bands(image, working, network, largest, classes), working, probabilities
        )
    )
    return probabilities


def _finished_bands(
    image: np.ndarray,
    shape: Tuple[int, ...],
    network: InferenceFunction,
    largest: int,
    classes: int,
) -> Iterator[np.ndarray]:
    """Probabilities at the working scale from top to bottom, some rows at a time.

    Parameters
    ----------
    image : ndarray, (height, width, 3)
    shape : tuple of int
        Height and width at the working scale.
    network : InferenceFunction
    largest : int
        Square root of the largest number of pixels of a tile.
    classes : int

    Yields
    ------
    ndarray of float32, (rows, width, classes)
        Valid until the next one is asked for.
    """
    (tops, height, vertical), (lefts, width, horizontal) = map(_tiles, shape, _grid(shape, largest))
    rows, cols = (resampling(source, target) for source, target in zip(image.shape, shape))
    scaled = np.empty((height, shape[1], 3), dtype=np.float32)
    band = np.zeros((height, lefts[-1] + width, classes), dtype=np.float32)
    for top, below, down in zip(tops, [*tops[1:], shape[0]], vertical):
        inside = scaled[: shape[0] - top]
        resample(image, rows[top : top + height], cols, inside, to_rgb)
        for left, across in zip(lefts, horizontal):
            columns = slice(left, left + width)
            tile = normalize(pad_to(inside[:, columns], (height, width)))
            found = network(tile[None])[0]
            band[:, columns] += found * (down[:, None, None] * across[:, None])
        finished = below - top
        yield band[:finished, : shape[1]]
        band[: height - finished] = band[finished:]
        band[height - finished :] = 0


def _grid(shape: Tuple[int, ...], largest: int) -> Tuple[int, int]:
    """Numbers of tiles down and across for which fewest pixels are seen twice.

    Strips as wide as the image share borders along one axis only, but must not be too large.
    """
    found = []
    for across in range(1, _count(shape[1], largest) + 1):
        width = _size(shape[1], across)
        tallest = largest**2 // width // STRIDE * STRIDE
        if tallest > OVERLAP:
            down = _count(shape[0], tallest)
            found.append((down * _size(shape[0], down) * across * width, across, down))
    _, across, down = min(found)
    return down, across


def _count(length: int, largest: int) -> int:
    """How many tiles an axis needs if they are no longer than ``largest``."""
    return max(math.ceil((whole_strides(length) - OVERLAP) / (largest - OVERLAP)), 1)


def _size(length: int, count: int) -> int:
    """How long that many tiles are: no longer than they must be."""
    return whole_strides((whole_strides(length) + (count - 1) * OVERLAP) / count)


def _tiles(length: int, count: int) -> Tuple[np.ndarray, int, np.ndarray]:
    """Tiles of one size along one axis at the working scale.

    Returns
    -------
    starts : ndarray of int, (n,)
        Multiples of the network's stride, so that its pooling cuts all tiles alike.
    size : int
    shares : ndarray of float32, (n, size)
        With which a tile enters; over all tiles they sum to 1 at every pixel.
    """
    padded, size = whole_strides(length), _size(length, count)
    starts = tile_starts(padded, size, max(size - OVERLAP, STRIDE))
    inwards = np.arange(size) + 0.5 - UNSEEN
    ramp = np.clip(inwards / (OVERLAP - 2 * UNSEEN), 0, 1)
    shares = np.ones((len(starts), size))
    shares[starts > 0] *= ramp
    shares[starts < padded - size] *= ramp[::-1]
    total = np.zeros(padded)
    for start, share in zip(starts, shares):
        total[start : start + size] += share
    for start, share in zip(starts, shares):
        share /= total[start : start + size]
    return starts, size, shares.astype(np.float32)


def _resize_bands(bands: Iterable[np.ndarray], shape: Tuple[int, ...], result: np.ndarray) -> None:
    """Resize an image that comes in bands as soon as the rows that are needed are there.

    Parameters
    ----------
    bands : iterable of ndarray of float32, (rows, width, classes)
    shape : tuple of int
        Height and width of all bands together.
    result : ndarray of float32, (new height, new width, classes)
        Written to.
    """
    rows, cols = (resampling(source, target) for source, target in zip(shape, result.shape))
    first, last = rows.indices[rows.indptr[:-1]], rows.indices[rows.indptr[1:] - 1]
    held, start, done = np.empty((0, shape[1], result.shape[2]), dtype=np.float32), 0, 0
    for band in bands:
        held = np.concatenate([held, band])
        ready = int(np.searchsorted(last, start + len(held)))
        if ready == done:
            continue
        within = slice(start, start + len(held))
        resample(held, rows[done:ready, within], cols, result[done:ready])
        done = ready
        if done < len(result):
            held, start = held[first[done] - start :], int(first[done])
