"""From pixels to objects: cells one by one, and what can be said of any labels."""

import math
from dataclasses import replace
from itertools import product
from typing import Any, Iterator, Optional, Tuple

import numpy as np
from scipy import ndimage
from skimage.morphology import local_maxima, reconstruction
from skimage.segmentation import expand_labels, watershed

from segment.inference import label_images
from segment.inference.label_images import EIGHT, areas, half_width, keep, solidity
from segment.inference.options import SegmentationOptions

NECK = 0.93
"""Two cells are told apart where they touch along less than this share of the smaller one's width.

Of touching round cells the neck is narrow; the outline of a single spiky one waves by less."""
SMOOTHING = 0.08
"""Spread of the Gaussian that smooths distances to the outline, relative to the largest one."""
SMALLEST_PART = 0.4
"""Width of the smallest part that is cut off as a cell, relative to the largest of a clump."""
COARSE = 12
"""Pixels from a cell's center to its outline that are enough to tell it from its neighbors."""
HOLE_SOLIDITY = 0.8
"""A hole is filled if it takes up this share of its convex hull: the inside of a ring is round, but
the gap between three or more touching cells has hollow sides."""
SMALLEST_GAP = 0.1
"""Smaller holes are filled whatever their shape. Relative to the square of the largest distance to
the outline: between three touching disks of one size it is 0.16 of the square of their radius."""
CELL_SOLIDITY = 0.92
"""A clump with a single gap is one cell, and filled, if it takes up this share of its convex hull:
three or four touching cells around a gap take up less."""


def label_cells(
    region: np.ndarray, probability: np.ndarray, options: SegmentationOptions
) -> np.ndarray:
    """Number the cells of a region.

    Parameters
    ----------
    region : ndarray of bool, (height, width)
        Pixels of blood cells.
    probability : ndarray of float32, (height, width)
        Of blood cells, 0 to 1.
    options : SegmentationOptions

    Returns
    -------
    ndarray of int32, (height, width)
        0 outside of cells, which have 1, 2, ... from top to bottom.
    """
    cells, _ = ndimage.label(region)
    count = 0
    # Cells are numbered downwards from -1 at first, to tell them from clumps still to come.
    for number, tight in enumerate(ndimage.find_objects(cells), 1):
        box = _with_surroundings(tight, cells.shape)
        clump = cells[box] == number
        cells[box][clump] = 0
        highest = 0
        for window, labels in _labeled_windows(clump, probability[box], options):
            inside = labels > 0
            cells[box][window][inside] = -(labels[inside] + count)
            highest = max(highest, labels.max())
        count += highest
    return np.negative(cells, out=cells)


def _with_surroundings(box: Tuple[slice, ...], shape: Tuple[int, ...]) -> Tuple[slice, ...]:
    """A box with some pixels about it, so that only at the image's border it meets the array's."""
    step = _step(math.prod(side.stop - side.start for side in box)) + 1
    return tuple(
        slice(max(side.start - step, 0), min(side.stop + step, length))
        for side, length in zip(box, shape)
    )


def _step(size: int) -> int:
    """From one pixel that is worked on to the next, along both axes."""
    return math.ceil(math.sqrt(size / label_images.PIXELS_AT_ONCE))


def _labeled_windows(
    clump: np.ndarray, probability: np.ndarray, options: SegmentationOptions
) -> Iterator[Tuple[Any, np.ndarray]]:
    """Windows of a clump, and the numbers of the cells in each, in bounded memory."""
    step = _step(clump.size)
    coarse = (slice(None, None, step),) * 2
    if step == 1:
        yield ..., _divide(clump, probability, options)
    elif half_width(clump[coarse]) < COARSE:
        yield from _in_blocks(clump, probability, options, margin=4 * COARSE * step)
    else:
        smaller = replace(options, minimum_area=options.minimum_area // step**2)
        parts = _divide(clump[coarse], probability[coarse], smaller)
        yield from _at_full_size(parts, clump, step)


def _divide(clump: np.ndarray, probability: np.ndarray, options: SegmentationOptions) -> np.ndarray:
    """Number the cells of a clump."""
    if options.fill_holes:
        # What the network says of a hole tells nothing of where cells meet.
        probability = np.where(clump, probability, 1)
        clump = fill_holes(clump)
    if clump.sum() < max(options.minimum_area, 1):
        return np.zeros(clump.shape, dtype=np.int32)
    if options.separate_touching:
        return separate(clump, probability, options.minimum_area)
    return clump.astype(np.int32)


def _in_blocks(
    clump: np.ndarray, probability: np.ndarray, options: SegmentationOptions, margin: int
) -> Iterator[Tuple[Tuple[slice, ...], np.ndarray]]:
    """Divide a clump block by block; a cell is taken from the block that holds its middle.

    Where that block sees another cell instead, a later one takes what is left of it.
    """
    size = max(math.isqrt(label_images.PIXELS_AT_ONCE) - 2 * margin, margin)
    taken = np.zeros_like(clump)
    count = 0
    for corner in product(*(range(0, length, size) for length in clump.shape)):
        window = tuple(slice(max(start - margin, 0), start + size + margin) for start in corner)
        labels = _divide(_cut_out(clump, window), probability[window], options)
        if options.separate_touching:
            keep(labels, _not_for_later(labels, window, corner, size))
            labels[taken[window]] = 0
            keep(labels, areas(labels) >= max(options.minimum_area, 1))
            taken[window] |= labels > 0
            labels[labels > 0] += count
            count = max(count, labels.max())
        yield window, labels


def _cut_out(clump: np.ndarray, window: Tuple[slice, ...]) -> np.ndarray:
    """A window of a clump that nothing of it leaves, but at the border of the whole."""
    part = clump[window].copy()
    for axis, (side, length) in enumerate(zip(window, clump.shape)):
        ends = np.swapaxes(part, 0, axis)
        ends[:1] &= side.start == 0
        ends[-1:] &= side.stop >= length
    return part


def _not_for_later(
    labels: np.ndarray, window: Tuple[slice, ...], corner: Tuple[int, ...], size: int
) -> np.ndarray:
    """Whether no later block holds the middle of an object, bool (count,)."""
    block = tuple(start // size for start in corner)
    middles = (
        [outer.start + (own.start + own.stop) // 2 for outer, own in zip(window, box or ())]
        for box in ndimage.find_objects(labels)
    )
    return np.array([tuple(place // size for place in m) <= block for m in middles], dtype=bool)


def _at_full_size(
    parts: np.ndarray, clump: np.ndarray, step: int
) -> Iterator[Tuple[slice, np.ndarray]]:
    """Numbers of all pixels of a clump from those of every ``step``-th, some rows at a time."""
    near = expand_labels(parts, 2)
    filled = ndimage.binary_dilation((parts > 0) & ~clump[::step, ::step], EIGHT)
    for number, coarse_row in enumerate(zip(near, filled)):
        rows = slice(number * step, (number + 1) * step)
        labels, hole = (np.repeat(row, step)[: clump.shape[1]] for row in coarse_row)
        yield rows, (clump[rows] | hole) * labels


def fill_holes(clump: np.ndarray) -> np.ndarray:
    """Fill the inside of rings, but not the gaps between touching cells.

    Parameters
    ----------
    clump : ndarray of bool, (height, width)
        Connected. Where it reaches the array's border it is taken to go on beyond, mirrored: a hole
        that opens to one side of the array has its other half there.

    Returns
    -------
    ndarray of bool, (height, width)
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
    """A hole, mirrored where it meets the array's border; None if it meets more than one side."""
    meets = [(side.start == 0, side.stop == length) for side, length in zip(box, shape)]
    if np.sum(meets) > 1:
        return None
    return np.pad(part, np.multiply(meets, np.array(part.shape)[:, None]), mode="symmetric")


def separate(clump: np.ndarray, probability: np.ndarray, minimum_area: int) -> np.ndarray:
    """Divide touching cells by watershed.

    Cells are the summits of the distance to the outline that rise above the saddles between them
    by more than :data:`NECK` tells; they meet where distance and probability are low. Saddles and
    summits are compared by their ratio, so that cells of all sizes are divided alike.

    Parameters
    ----------
    clump : ndarray of bool, (height, width)
        Connected. Where it reaches the array's border it is taken to go on beyond, mirrored: cells
        that the image cuts off are as wide as they look.
    probability : ndarray of float32, (height, width)
    minimum_area : int
        Pixels of the smallest cell.

    Returns
    -------
    ndarray of int32, (height, width)
        0 outside, 1, 2, ... inside.
    """
    if clump.all():
        return np.ones(clump.shape, dtype=np.int32)
    distance = ndimage.distance_transform_edt(clump)
    widest = distance.max()
    smooth = ndimage.gaussian_filter(distance, SMOOTHING * widest)
    # The search for summits takes the longest; large cells are found in fewer pixels.
    coarse = (slice(None, None, max(int(widest / COARSE), 1)),) * 2
    height = np.log(np.maximum(smooth[coarse], 1e-3))
    summits = local_maxima(reconstruction(height + np.log(NECK), height))
    smallest = max(SMALLEST_PART * widest, np.sqrt(minimum_area / np.pi))
    markers = np.zeros(clump.shape, dtype=np.int32)
    markers[coarse], count = ndimage.label(summits & (smooth[coarse] >= smallest), EIGHT)
    if count < 2:
        return clump.astype(np.int32)
    return watershed(-smooth * probability, markers, mask=clump)
