"""From pixels to cells: holes are filled and touching cells separated."""

import math
from typing import Optional, Tuple

import numpy as np
from scipy import ndimage
from skimage.morphology import local_maxima, reconstruction
from skimage.segmentation import expand_labels, watershed

from segment.inference.label_images import (
    EIGHT,
    areas,
    coarse_step,
    half_width,
    keep,
    row_blocks,
    solidity,
)
from segment.inference.options import SegmentationOptions

NECK = 0.93
"""Two cells are separated if the neck between them is narrower than this share of the width of the
smaller one. The outline of a single spiky cell varies less."""
SMOOTHING = 0.08
"""Standard deviation of the Gaussian that smooths the distances to the outline, relative to the
largest distance."""
HOLE_SOLIDITY = 0.8
"""Minimum solidity of a hole that is filled: the inside of a ring is round, but the gap between
three or more touching cells has concave sides."""
SMALLEST_GAP = 0.1
"""Area of the smallest gap, relative to the square of the largest distance to the outline. Smaller
holes are always filled. The gap between three touching disks of one size has 0.16."""
CELL_SOLIDITY = 0.92
"""Minimum solidity of a clump with a single gap that is one cell, and filled: three or four
touching cells around a gap have less."""


def label_cells(region: np.ndarray, options: SegmentationOptions) -> np.ndarray:
    """Find the cells of a region.

    In clumps of more than PIXELS_AT_ONCE, they are found in every n-th pixel along both axes.

    Parameters
    ----------
    region : ndarray of bool, (height, width)
        Pixels of cells.
    options : SegmentationOptions

    Returns
    -------
    ndarray of int32, (height, width)
        Label image, numbered from top to bottom.
    """
    cells, _ = ndimage.label(region)
    count = 0
    # Cells get negative numbers at first, to distinguish them from clumps that still follow.
    for number, tight in enumerate(ndimage.find_objects(cells), 1):
        box = _with_surroundings(tight, cells.shape)
        clump = cells[box] == number
        cells[box][clump] = 0
        step = coarse_step(clump.size)
        labels = _divide(clump[::step, ::step], step, options)
        _write(cells[box], clump, labels, step, count)
        count += labels.max()
    return np.negative(cells, out=cells)


def with_crossings(cells: np.ndarray, filaments: np.ndarray) -> np.ndarray:
    """Add to the cells the pixels of filaments that cross them.

    These are the pixels between two parts that a morphological closing adds, with a disk that is
    slightly wider than the filament: the halves of a cell become a whole one, and two cells on both
    sides of a filament are connected by a neck at most, like cells that touch.

    Parameters
    ----------
    cells, filaments : ndarray of bool, (height, width)
    """
    united = cells.copy()
    labels, _ = ndimage.label(filaments, EIGHT)
    for number, tight in enumerate(ndimage.find_objects(labels), 1):
        radius = half_width(labels[tight] == number) + 1
        margin = math.ceil(2 * radius)
        box = tuple(slice(max(side.start - margin, 0), side.stop + margin) for side in tight)
        far = ndimage.distance_transform_edt(~cells[box]) > radius
        if cells[box].any() and far.any():
            closed = ndimage.distance_transform_edt(~far) > radius
            added, _ = ndimage.label(closed & (labels[box] == number), EIGHT)
            parts, _ = ndimage.label(cells[box])
            united[box] |= _between(added, parts)
    return united


def _between(added: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Return the objects of a label image that touch more than one of the other, bool."""
    numbers = np.arange(1, added.max() + 1)
    others = np.where(parts, parts, parts.max() + 1)
    lowest = ndimage.minimum(ndimage.minimum_filter(others, 3), added, numbers)
    highest = ndimage.maximum(ndimage.maximum_filter(parts, 3), added, numbers)
    return np.append(False, lowest < highest)[added]


def _with_surroundings(box: Tuple[slice, ...], shape: Tuple[int, ...]) -> Tuple[slice, ...]:
    """Enlarge a box, so that its content meets the border only where the image ends."""
    margin = coarse_step(math.prod(side.stop - side.start for side in box)) + 1
    return tuple(
        slice(max(side.start - margin, 0), min(side.stop + margin, length))
        for side, length in zip(box, shape)
    )


def _divide(clump: np.ndarray, step: int, options: SegmentationOptions) -> np.ndarray:
    """Return the label image of the cells of a clump, given in every ``step``-th pixel."""
    smallest = max(options.minimum_area // step**2, 1)
    if options.fill_holes:
        clump = fill_holes(clump)
    if not options.separate_touching or clump.sum() < smallest:
        labels = clump.astype(np.int32)
    else:
        labels = separate(clump)
    return keep(labels, areas(labels) >= smallest)


def _write(
    target: np.ndarray, clump: np.ndarray, labels: np.ndarray, step: int, count: int
) -> None:
    """Write the cells, found in every ``step``-th pixel, as negative numbers after ``count``."""
    filled = (labels > 0) & ~clump[::step, ::step]
    if step > 1:
        filled = ndimage.binary_dilation(filled, EIGHT)
        labels = expand_labels(labels, 2)
    columns = np.arange(clump.shape[1]) // step
    for rows in row_blocks(clump):
        nearest = np.ix_(np.arange(len(clump))[rows] // step, columns)
        inside = (labels[nearest] > 0) & (clump[rows] | filled[nearest])
        np.subtract(-count, labels[nearest], out=target[rows], where=inside)


def fill_holes(clump: np.ndarray) -> np.ndarray:
    """Fill the inside of rings, but not the gaps between touching cells.

    A connected region, bool (height, width), is taken to continue in a mirror beyond the border of
    the array: a hole that is open to one side of the array has its other half there.
    """
    whole, gaps = clump.copy(), []
    numbers, _ = ndimage.label(~clump)
    smallest_gap = SMALLEST_GAP * ndimage.distance_transform_edt(clump).max() ** 2
    for number, box in enumerate(ndimage.find_objects(numbers), 1):
        part = numbers[box] == number
        hole = _with_other_half(part, box, clump.shape)
        if hole is None:
            continue
        whole[box] |= part
        if hole.sum() >= smallest_gap and solidity(hole) < HOLE_SOLIDITY:
            gaps.append((box, part))
    if len(gaps) == 1 and solidity(whole) >= CELL_SOLIDITY:
        return whole
    for box, gap in gaps:
        whole[box] &= ~gap
    return whole


def _with_other_half(
    part: np.ndarray, box: Tuple[slice, ...], shape: Tuple[int, ...]
) -> Optional[np.ndarray]:
    """Mirror a hole that is open to one side of the array; None if it is open to several."""
    meets = [(side.start == 0, side.stop == length) for side, length in zip(box, shape)]
    if np.sum(meets) > 1:
        return None
    return np.pad(part, np.multiply(meets, np.array(part.shape)[:, None]), mode="symmetric")


def separate(clump: np.ndarray) -> np.ndarray:
    """Separate touching cells by a watershed of the distances to the outline.

    Cells are the summits of the smoothed distances that rise above the saddles between them by the
    factor that :data:`NECK` allows, so that cells of all sizes are treated alike. The clump, bool
    (height, width), is taken to continue in a mirror beyond the border of the array: cells that the
    image cuts off are as wide as they look. The result is a label image.
    """
    if clump.all():
        return np.ones(clump.shape, dtype=np.int32)
    distance = ndimage.distance_transform_edt(clump)
    smooth = ndimage.gaussian_filter(distance, SMOOTHING * distance.max())
    height = np.log(np.maximum(smooth, 1e-3))
    summits = local_maxima(reconstruction(height + np.log(NECK), height))
    markers, count = ndimage.label(summits, EIGHT)
    if count < 2:
        return clump.astype(np.int32)
    return watershed(-smooth, markers, mask=clump)
