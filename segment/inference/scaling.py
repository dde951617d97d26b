"""The scale that the network works at, and resizing to it and back."""

from typing import Callable, Optional, Sequence, Tuple

import numpy as np
from scipy import sparse

from segment.inference.model import SegmentationModel

ROWS_AT_ONCE = 64
"""Rows of a result that are made at once, so that large images need little memory besides."""


def working_scale(
    shape: Sequence[int], model: SegmentationModel, cell_diameter: Optional[float] = None
) -> float:
    """Factor that brings an image to the scale that the network was trained at.

    Without a diameter the longer side is brought to the model's working size, as all training
    images were. With one, cells are brought to the diameter that they had there.

    Parameters
    ----------
    shape : tuple of int
        Of the image: height, width, ...
    model : SegmentationModel
        With ``working_size`` and ``cell_diameter`` in pixels.
    cell_diameter : float, optional
        Typical diameter of a blood cell in pixels of the image.

    Returns
    -------
    float
    """
    if cell_diameter is None:
        return model.working_size / max(shape[:2])
    return model.cell_diameter / cell_diameter


def scaled_shape(shape: Sequence[int], scale: float) -> Tuple[int, ...]:
    """Height and width after scaling, at least one pixel each, as a tuple of int."""
    return tuple(max(round(length * scale), 1) for length in shape[:2])


def resize(image: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Resize bilinearly; where it gets smaller, averaged over what a pixel covers.

    Parameters
    ----------
    image : ndarray, (height, width) or (height, width, channels)
    shape : tuple of int
        Height and width of the result.

    Returns
    -------
    ndarray of float32, (*shape) or (*shape, channels)
    """
    rows, cols = (resampling(source, target) for source, target in zip(image.shape, shape))
    resized = np.empty((*shape, *image.shape[2:]), dtype=np.float32)
    resample(image, rows, cols, resized)
    return resized


def resize_labels(labels: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Resize by taking the nearest pixel.

    Parameters
    ----------
    labels : ndarray, (height, width)
    shape : tuple of int

    Returns
    -------
    ndarray of the same dtype, (*shape)
    """
    nearest = [
        ((np.arange(target) + 0.5) * source / target).astype(int)
        for source, target in zip(labels.shape, shape)
    ]
    return labels[np.ix_(*nearest)]


def resampling(source: int, target: int) -> sparse.csr_matrix:
    """Weights of bilinear resizing along one axis, averaging where it gets shorter.

    Parameters
    ----------
    source, target : int
        Lengths of the axis before and after.

    Returns
    -------
    scipy.sparse.csr_matrix of float32, (target, source)
        Rows sum to 1. A triangle whose half width is a pixel of the coarser grid.
    """
    ratio = source / target
    reach = max(ratio, 1.0)
    centers = (np.arange(target) + 0.5) * ratio - 0.5
    first = np.floor(centers - reach).astype(int) + 1
    taps = first[:, None] + np.arange(int(np.ceil(2 * reach)))
    weights = np.maximum(1 - np.abs(taps - centers[:, None]) / reach, 0)
    weights[(taps < 0) | (taps >= source)] = 0
    weights /= weights.sum(axis=1, keepdims=True)
    used = weights > 0
    rows = np.broadcast_to(np.arange(target)[:, None], taps.shape)
    return sparse.csr_matrix(
        (weights[used].astype(np.float32), (rows[used], taps[used])), shape=(target, source)
    )


def resample(
    image: np.ndarray,
    rows: sparse.csr_matrix,
    cols: sparse.csr_matrix,
    result: np.ndarray,
    prepare: Callable[[np.ndarray], np.ndarray] = np.asarray,
) -> None:
    """Apply weights of :func:`resampling` to both axes of an image, some rows at a time.

    Parameters
    ----------
    image : ndarray, (height, width) or (height, width, channels)
    rows : scipy.sparse.csr_matrix, (new height, height)
        May be some rows of the weights.
    cols : scipy.sparse.csr_matrix, (new width, width)
    result : ndarray of float32, (new height, new width) or (new height, new width, channels)
        Written to.
    prepare : callable, optional
        What happens to the rows of the image, some at a time, before they are resized.
    """
    for start in range(0, len(result), ROWS_AT_ONCE):
        chunk = slice(start, start + ROWS_AT_ONCE)
        part = rows[chunk]
        first, last = part.indices.min(), part.indices.max() + 1
        narrow = _along_first(part[:, first:last], prepare(image[first:last]))
        result[chunk] = _along_first(cols, narrow.swapaxes(0, 1)).swapaxes(0, 1)


def _along_first(weights: sparse.csr_matrix, image: np.ndarray) -> np.ndarray:
    flat = np.ascontiguousarray(image, dtype=np.float32).reshape(image.shape[0], -1)
    return (weights @ flat).reshape(weights.shape[0], *image.shape[1:])
