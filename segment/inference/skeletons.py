"""Skeletons of thin regions: their longest paths, and their branches between junctions."""

from typing import List, NamedTuple, Tuple

import numpy as np
from scipy import ndimage, sparse
from scipy.sparse import csgraph
from scipy.spatial import cKDTree
from skimage.morphology import skeletonize

from segment.inference.label_images import EIGHT, areas, distances_inside

SPUR = 0.75
"""Shortest branch, from the outline of the filament that it leaves to its own tip, in widths of the
filament. Shorter ones come from bumps of the outline."""
BRIDGE = 5
"""Longest connection of two junctions, in widths of the filament, that makes them one: two wide
filaments that cross at 25 degrees share more than three widths."""


class Branch(NamedTuple):
    """Part of a skeleton between two junctions or ends.

    Attributes
    ----------
    path : ndarray of int, (n, 2)
        Rows and columns of the pixels. Consecutive pixels touch, corners included.
    junctions : tuple of int
        Numbers of the junctions at the first and at the last pixel; 0 at an end of the skeleton.
    """

    path: np.ndarray
    junctions: Tuple[int, int]


def skeleton_path(region: np.ndarray) -> np.ndarray:
    """Return the longest path along the skeleton of a region.

    Parameters
    ----------
    region : ndarray of bool, (height, width)
        Connected region of at least one pixel.

    Returns
    -------
    ndarray of int, (n, 2)
        Rows and columns of the pixels from end to end. Consecutive pixels touch, corners included.
    """
    return _longest_path(np.argwhere(skeleton(region)))


def skeleton(region: np.ndarray) -> np.ndarray:
    """Return the skeleton of a region, both bool (height, width)."""
    return skeletonize(np.pad(region, 1))[1:-1, 1:-1]


def _longest_path(points: np.ndarray) -> np.ndarray:
    """Put the pixels, int (n, 2), of the longest path between any two of them in order."""
    pairs = cKDTree(points).query_pairs(1.5, output_type="ndarray")
    steps = np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1)
    graph = sparse.csr_matrix((steps, tuple(pairs.T)), shape=(len(points),) * 2)
    # In a tree, the point that is farthest from any other is an end of the longest path.
    start = np.argmax(csgraph.dijkstra(graph, directed=False, indices=0))
    distances, previous = csgraph.dijkstra(
        graph, directed=False, indices=start, return_predecessors=True
    )
    path = [np.argmax(distances)]
    while path[-1] != start:
        path.append(previous[path[-1]])
    return points[path]


def path_length(path: np.ndarray) -> float:
    """Estimate the length of the line that a path of pixels represents.

    A step along a row or column counts 0.980, a diagonal one 1.406, less 0.091 where the two
    alternate: Vossepoel and Smeulders 1982, Vector code probability and metrication error in the
    representation of straight lines of finite length.

    Parameters
    ----------
    path : ndarray of int, (n, 2)

    Returns
    -------
    float
        Length in pixels; 0 for a single one.
    """
    diagonal = np.abs(np.diff(path, axis=0)).sum(axis=1) == 2
    changes = np.count_nonzero(diagonal[1:] != diagonal[:-1])
    return float(np.where(diagonal, 1.406, 0.980).sum() - 0.091 * changes)


def skeleton_branches(region: np.ndarray) -> List[Branch]:
    """Cut the skeleton of a region at its junctions, or a closed ring at one of its pixels.

    Holes smaller than the square of the width are filled first. Branches shorter than :data:`SPUR`
    are ignored. Two junctions connected by a branch of at most :data:`BRIDGE` count as one, and
    this branch is ignored. A skeleton without junctions has no branches.

    Parameters
    ----------
    region : ndarray of bool, (height, width)
        Connected region of at least one pixel.
    """
    thin = skeleton(region)
    if not _junctions(thin).any():
        return []
    width = 2 * np.median(distances_inside(region)[thin])
    region = _without_holes(region, width**2)
    inside = distances_inside(region)
    thin = skeleton(region)
    while True:
        junctions = _junctions(thin)
        branches = _branches(thin, junctions)
        reaches = _reaches(branches, junctions, inside)
        spurs = [branch for branch, reach in zip(branches, reaches) if reach < SPUR * width]
        if not spurs:
            break
        for spur in spurs:
            thin[tuple(spur.path.T)] = False
        thin = skeleton(thin)
    for path, ends in branches:
        if all(ends) and len(path) <= BRIDGE * width:
            junctions[tuple(path.T)] = 1
    return _branches(thin, ndimage.label(junctions, EIGHT)[0])


def _without_holes(region: np.ndarray, largest: float) -> np.ndarray:
    """Fill the holes of a region that have fewer pixels than ``largest``."""
    outside, _ = ndimage.label(np.pad(~region, 1, constant_values=True))
    small = np.append(False, areas(outside) < largest)
    small[outside[0, 0]] = False
    return region | small[outside[1:-1, 1:-1]]


def _junctions(skeleton: np.ndarray) -> np.ndarray:
    """Return the label image of the groups of pixels with three neighbors or more."""
    counts = ndimage.convolve(skeleton.astype(np.uint8), EIGHT.astype(np.uint8), mode="constant")
    junctions = skeleton & (counts > 3)
    if (counts[skeleton] == 3).all():
        # The first pixel of a ring.
        junctions.flat[np.argmax(skeleton)] = True
    return ndimage.label(junctions, EIGHT)[0]


def _branches(skeleton: np.ndarray, junctions: np.ndarray) -> List[Branch]:
    """Return what remains of a skeleton without its junctions."""
    labels, _ = ndimage.label(skeleton & (junctions == 0), EIGHT)
    # Both ends of a branch of a single pixel are that pixel, but its junctions may differ.
    none = junctions.max() + 1
    lowest = ndimage.minimum_filter(np.where(junctions, junctions, none), 3) % none
    highest = ndimage.maximum_filter(junctions, 3)
    found = []
    for number, box in enumerate(ndimage.find_objects(labels), 1):
        corner = [side.start for side in box]
        path = _longest_path(np.argwhere(labels[box] == number)) + corner
        found.append(Branch(path, (int(lowest[tuple(path[0])]), int(highest[tuple(path[-1])]))))
    return found


def _reaches(branches: List[Branch], junctions: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return how far branches protrude from the region at a junction; infinite between two."""
    radii = np.append(0, ndimage.maximum(inside, junctions, np.arange(1, junctions.max() + 1)))
    reaches = []
    for path, (first, last) in branches:
        reach = len(path) - radii[max(first, last)]
        if first != last:
            reach += np.inf if first and last else inside[tuple(path[-1 if first else 0])]
        reaches.append(reach)
    return np.array(reaches)
