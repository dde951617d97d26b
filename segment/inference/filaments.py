"""From pixels to filaments: long thin objects, each one object even where it is interrupted."""

from typing import List, NamedTuple, Set, Tuple

import numpy as np
from scipy import ndimage, sparse
from scipy.sparse import csgraph
from scipy.spatial import cKDTree
from skimage.draw import line
from skimage.morphology import skeletonize
from skimage.util import map_array

from segment.inference.objects import EIGHT, areas, distances_inside, half_width, keep
from segment.inference.options import SegmentationOptions

# All lengths are in pixels at the working scale. They and the least probability were chosen by the
# training images of darkfield_v1.
SHORTEST = 20
"""Length of the shortest filament, unless the user says otherwise."""
SMALLEST_PIECE = 20
"""Pixels of the smallest piece of a filament."""
THINNESS = 5
"""Least ratio of a piece's area to the square of half its width: 3 is a disk, 12 a line three times
as long as wide. 99% of the spirochaetes that people outlined have more."""
GAP = 16
"""Between the ends of two pieces of a filament, not counting what lies in cells that it crosses."""
FARTHEST = 60
"""Between the ends of two pieces of a filament, cells included."""
TANGENT = 16
"""Along a piece, from where its end is looked at to tell whether it leads to another one."""
STRAIGHT = 0.8
"""Least cosine of the angle between the end of a piece and the way from there to the other end."""


class Filaments(NamedTuple):
    """The filaments of a region.

    Attributes
    ----------
    labels : ndarray of int32, (height, width)
        0 outside of filaments, which have 1, 2, ... from top to bottom. A filament may lie in several
        pieces.
    lengths : ndarray of float, (filaments,)
        In pixels, from end to end along the middle lines of the pieces and straight across the gaps
        between them.
    means : ndarray of float, (filaments,)
        Mean probability along the middle lines.
    """

    labels: np.ndarray
    lengths: np.ndarray
    means: np.ndarray


class _Piece(NamedTuple):
    """Connected pixels of a filament.

    ``path`` are the pixels of the middle line, int (n, 2); ``length`` is that of the line,
    ``beyond`` how far the piece goes on beyond its ends; ``sum`` is that of the probabilities.
    """

    path: np.ndarray
    length: float
    beyond: float
    sum: float


class _Joint(NamedTuple):
    """Two ends that belong together: end 2 n and 2 n + 1 are those of piece n."""

    first: int
    second: int
    length: float


def label_filaments(
    region: np.ndarray,
    probability: np.ndarray,
    crossed: np.ndarray,
    scale: float,
    options: SegmentationOptions,
) -> Filaments:
    """Number the filaments of a region, and measure their lengths.

    Pieces are pixels that touch, corners included, and are thin together. Two pieces are of one
    filament where an end of each leads to that of the other, and no more is between them than a few
    pixels or a cell. An end belongs to the nearest one.

    Parameters
    ----------
    region : ndarray of bool, (height, width)
        Pixels of filaments.
    probability : ndarray of float32, (height, width)
        Of filaments, 0 to 1.
    crossed : ndarray of bool, (height, width)
        Pixels of cells, which hide a filament that crosses them.
    scale : float
        Pixels at the working scale of a pixel of the image.
    options : SegmentationOptions

    Returns
    -------
    Filaments
    """
    labels, _ = ndimage.label(region, EIGHT)
    keep(labels, areas(labels) >= SMALLEST_PIECE / scale**2)
    boxes = ndimage.find_objects(labels)
    keep(labels, np.array([_is_thin(labels[box] == n) for n, box in enumerate(boxes, 1)], bool))
    pieces = [
        _piece(labels[box] == n, probability[box], box)
        for n, box in enumerate(ndimage.find_objects(labels), 1)
    ]
    joints = _joints([piece.path for piece in pieces], crossed, scale)
    filaments, lengths, means = _filaments(pieces, joints)
    shortest = SHORTEST / scale if options.minimum_length is None else options.minimum_length
    kept = (lengths >= shortest) & (means >= options.minimum_probability)
    numbers = np.append(0, (np.cumsum(kept) * kept)[filaments])
    map_array(labels, np.arange(len(numbers)), numbers, out=labels)
    return Filaments(labels, lengths[kept], means[kept])


def middle_line(region: np.ndarray) -> np.ndarray:
    """The way through a region from one end to the other, the longest along its skeleton.

    Parameters
    ----------
    region : ndarray of bool, (height, width)
        Connected, with at least a pixel.

    Returns
    -------
    ndarray of int, (n, 2)
        Rows and columns of pixels, each beside the next, corners included.
    """
    points = np.argwhere(skeletonize(np.pad(region, 1))) - 1
    pairs = cKDTree(points).query_pairs(1.5, output_type="ndarray")
    steps = np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1)
    graph = sparse.csr_matrix((steps, tuple(pairs.T)), shape=(len(points),) * 2)
    # In a tree the point that is farthest from any other is an end of the longest way.
    start = np.argmax(csgraph.dijkstra(graph, directed=False, indices=0))
    distances, before = csgraph.dijkstra(
        graph, directed=False, indices=start, return_predecessors=True
    )
    way = [np.argmax(distances)]
    while way[-1] != start:
        way.append(before[way[-1]])
    return points[way]


def path_length(path: np.ndarray) -> float:
    """Length of the line that a path of pixels stands for.

    0.980 for a step along a row or column, 1.406 for one across a corner, less 0.091 where the two
    change: Vossepoel and Smeulders 1982, Vector code probability and metrication error in the
    representation of straight lines of finite length.

    Parameters
    ----------
    path : ndarray of int, (n, 2)

    Returns
    -------
    float
        In pixels, 0 for one of them.
    """
    slanting = np.abs(np.diff(path, axis=0)).sum(axis=1) == 2
    changes = np.count_nonzero(slanting[1:] != slanting[:-1])
    return float(np.where(slanting, 1.406, 0.980).sum() - 0.091 * changes)


def _is_thin(region: np.ndarray) -> bool:
    return region.sum() >= THINNESS * half_width(region) ** 2


def _piece(region: np.ndarray, probability: np.ndarray, box: Tuple[slice, ...]) -> _Piece:
    path = middle_line(region)
    # The outline lies half a pixel before the first pixel outside.
    beyond = distances_inside(region)[tuple(path[[0, -1]].T)] - 0.5
    along = probability[tuple(path.T)].sum(dtype=float)
    corner = [side.start for side in box]
    return _Piece(path + corner, path_length(path), beyond.sum(), along)


def _joints(paths: List[np.ndarray], crossed: np.ndarray, scale: float) -> List[_Joint]:
    """Which ends belong together, each to one other at most."""
    if not paths:
        return []
    back = round(TANGENT / scale)
    ends = np.concatenate([path[[0, -1]] for path in paths])
    inner = np.concatenate(
        [path[[min(back, len(path) - 1), max(len(path) - 1 - back, 0)]] for path in paths]
    )
    pairs = cKDTree(ends).query_pairs(FARTHEST / scale, output_type="ndarray")
    first, second = pairs[pairs[:, 0] // 2 != pairs[:, 1] // 2].T
    facing = _leads(inner[first], ends[first], ends[second])
    facing &= _leads(inner[second], ends[second], ends[first])
    # Where two lie side by side, their ends point the same way.
    facing &= ((ends - inner)[first] * (ends - inner)[second]).sum(axis=1) <= 0
    lengths = np.linalg.norm(ends[first] - ends[second], axis=1)
    open_lengths = lengths * [
        1 - crossed[line(*ends[a], *ends[b])].mean() if both else np.inf
        for a, b, both in zip(first, second, facing)
    ]
    joints: List[_Joint] = []
    taken: Set[int] = set()
    for place in np.argsort(open_lengths, kind="stable"):
        ends_of_joint = {first[place], second[place]}
        if open_lengths[place] <= GAP / scale and not ends_of_joint & taken:
            taken |= ends_of_joint
            joints.append(_Joint(first[place], second[place], lengths[place]))
    return joints


def _leads(inner: np.ndarray, end: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Whether the lines from inner points through ends lead to other ends, bool (n,)."""
    along, onwards = end - inner, other - inner
    product = np.linalg.norm(along, axis=1) * np.linalg.norm(onwards, axis=1)
    return (along * onwards).sum(axis=1) >= STRAIGHT * product


def _filaments(
    pieces: List[_Piece], joints: List[_Joint]
) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """To which filament each piece belongs, and the lengths and mean probabilities of the filaments."""
    if not pieces:
        return np.zeros(0, int), np.zeros(0), np.zeros(0)
    joined = [(joint.first // 2, joint.second // 2) for joint in joints]
    graph = sparse.csr_matrix(
        (np.ones(len(joined)), np.reshape(joined, (-1, 2)).T.astype(int)), (len(pieces),) * 2
    )
    count, filaments = csgraph.connected_components(graph, directed=False)
    lengths = np.bincount(filaments, [piece.length for piece in pieces], count)
    np.add.at(lengths, filaments[[a for a, _ in joined]], [joint.length for joint in joints])
    # Beyond the ends at a joint is its length, to be counted once.
    outer = np.zeros(count)
    np.maximum.at(outer, filaments, [piece.beyond for piece in pieces])
    points = np.bincount(filaments, [len(piece.path) for piece in pieces], count)
    return (
        filaments,
        lengths + outer,
        np.bincount(filaments, [p.sum for p in pieces], count) / points,
    )
