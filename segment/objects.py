"""From pixels to objects: cells one by one, and spirochaetes."""

import numpy as np
from scipy import ndimage
from skimage.morphology import convex_hull_image, local_maxima, reconstruction
from skimage.segmentation import watershed

NECK = 0.93
"""Two cells are told apart where they touch along less than this share of the smaller one's width.

Of touching round cells the neck is narrow; the outline of a single spiky one waves by less."""
SMOOTHING = 0.08
"""Spread of the Gaussian that smooths distances to the outline, relative to the largest one."""
SMALLEST_PART = 0.4
"""Width of the smallest part that is cut off as a cell, relative to the largest of a clump."""
COARSE = 12
"""Pixels from a cell's centre to its outline that are enough to tell it from its neighbours."""
HOLE_SOLIDITY = 0.8
"""A hole is filled if it takes up this share of its convex hull: the inside of a ring is round, but
the gap between three or more touching cells has hollow sides."""
SMALLEST_GAP = 0.1
"""Smaller holes are filled whatever their shape. Relative to the square of the largest distance to
the outline: between three touching disks of one size it is 0.16 of the square of their radius."""
CELL_SOLIDITY = 0.92
"""A clump with a single gap is one cell, and filled, if it takes up this share of its convex hull:
three or four touching cells around a gap take up less."""
SPIROCHAETE_AREA = 60
"""Pixels of the smallest spirochaete; 98% of those that people outlined have more."""
SPIROCHAETE_THINNESS = 5
"""Least ratio of a spirochaete's area to the square of half its width: 3 is a disk, 12 a line three
times as long as wide. 99% of those that people outlined have more."""
ROWS_AT_ONCE = 256
EIGHT = np.ones((3, 3), dtype=bool)


def label_cells(region, probability, options):
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
    for number, box in enumerate(ndimage.find_objects(cells), 1):
        clump = cells[box] == number
        cells[box][clump] = 0
        if options.fill_holes:
            clump = fill_holes(clump)
        if clump.sum() < max(options.minimum_area, 1):
            continue
        parts = clump.astype(np.int32)
        if options.separate_touching:
            parts = separate(clump, probability[box], options.minimum_area)
        cells[box][clump] = -(parts[clump] + count)
        count += parts.max()
    return np.negative(cells, out=cells)


def label_spirochaetes(region):
    """Number the spirochaetes of a region: thin objects of pixels that touch, corners included.

    Parameters
    ----------
    region : ndarray of bool, (height, width)

    Returns
    -------
    ndarray of int32, (height, width)
        0 outside of spirochaetes, which have 1, 2, ... from top to bottom.
    """
    labels, _ = ndimage.label(region, EIGHT)
    kept = areas(labels) >= SPIROCHAETE_AREA
    for index, box in enumerate(ndimage.find_objects(labels)):
        if kept[index]:
            own = labels[box] == index + 1
            kept[index] = own.sum() >= SPIROCHAETE_THINNESS * _distance(own).max() ** 2
    return keep(labels, kept)


def fill_holes(clump):
    """Fill the inside of rings, but not the gaps between touching cells.

    Parameters
    ----------
    clump : ndarray of bool, (height, width)
        Connected.

    Returns
    -------
    ndarray of bool, (height, width)
    """
    whole = ndimage.binary_fill_holes(clump)
    numbers, count = ndimage.label(whole & ~clump)
    if count == 0:
        return whole
    smallest_gap = SMALLEST_GAP * _distance(clump).max() ** 2
    gaps = []
    for number, box in enumerate(ndimage.find_objects(numbers), 1):
        hole = numbers[box] == number
        if hole.sum() >= smallest_gap and _solidity(hole) < HOLE_SOLIDITY:
            gaps.append((box, hole))
    if len(gaps) == 1 and _solidity(whole) >= CELL_SOLIDITY:
        return whole
    for box, gap in gaps:
        whole[box] &= ~gap
    return whole


def separate(clump, probability, minimum_area):
    """Divide touching cells by watershed.

    Cells are the summits of the distance to the outline that rise above the saddles between them
    by more than :data:`NECK` tells; they meet where distance and probability are low. Saddles and
    summits are compared by their ratio, so that cells of all sizes are divided alike.

    Parameters
    ----------
    clump : ndarray of bool, (height, width)
        Connected.
    probability : ndarray of float32, (height, width)
    minimum_area : int
        Pixels of the smallest cell.

    Returns
    -------
    ndarray of int32, (height, width)
        0 outside, 1, 2, ... inside.
    """
    distance = _distance(clump)
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


def discard_border(labels, valid):
    """Leave out objects that touch the border of the image or pixels that do not count.

    Parameters
    ----------
    labels : ndarray of int32, (height, width)
    valid : ndarray of bool, (height, width)
        False where pixels do not count.

    Returns
    -------
    ndarray of int32, (height, width)
    """
    border = valid & ~ndimage.binary_erosion(valid, EIGHT)
    touching = np.zeros(labels.max() + 1, dtype=bool)
    touching[labels[border]] = True
    return keep(labels.copy(), ~touching[1:])


def _distance(region):
    """Distance of a region's pixels to its outline, which follows the array's border, too."""
    return ndimage.distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]


def _solidity(region):
    """Share of a region's convex hull that it takes up, 0 to 1."""
    return region.sum() / convex_hull_image(region).sum()


def keep(labels, kept):
    """Leave out some objects and number the others from 1 on.

    Parameters
    ----------
    labels : ndarray of int32, (height, width)
        Changed in place.
    kept : ndarray of bool, (count,)

    Returns
    -------
    ndarray of int32, (height, width)
    """
    numbers = np.append(0, np.cumsum(kept) * kept)
    for rows in _chunks(labels):
        labels[rows] = numbers[labels[rows]]
    return labels


def areas(labels):
    """Pixels of every object, int (count,)."""
    return _sums(labels).astype(int)


def means(labels, values):
    """Mean over the pixels of every object.

    Parameters
    ----------
    labels : ndarray of int32, (height, width)
    values : ndarray, broadcast to (height, width)

    Returns
    -------
    ndarray of float, (count,)
    """
    return _sums(labels, np.broadcast_to(values, labels.shape)) / areas(labels)


def _sums(labels, weights=None):
    """Sum of the weights over every object, float (count,)."""
    total = np.zeros(labels.max() + 1)
    for rows in _chunks(labels):
        given = None if weights is None else weights[rows].ravel()
        total += np.bincount(labels[rows].ravel(), given, minlength=len(total))
    return total[1:]


def _chunks(labels):
    """Some rows at a time: bincount and indexing make copies of eight bytes a pixel."""
    return (slice(start, start + ROWS_AT_ONCE) for start in range(0, len(labels), ROWS_AT_ONCE))
