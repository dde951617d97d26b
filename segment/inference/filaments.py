"""From pixels to filaments: long thin objects, each one object even where it is interrupted."""

from typing import List, NamedTuple, Set, Tuple

import numpy as np
from scipy import ndimage, sparse
from scipy.sparse import csgraph
from scipy.spatial import cKDTree
from skimage.draw import line
from skimage.morphology import skeletonize

from segment.inference.label_images import (
    EIGHT,
    areas,
    distances_inside,
    half_width,
    keep,
    renumber,
)
from segment.inference.options import SegmentationOptions

# Lengths are in pixels at the working scale. All were chosen on training images.
SHORTEST = 20
"""Length of the shortest filament, unless the user chooses another one."""
SMALLEST_SEGMENT = 20
"""Pixels of the smallest segment of a filament."""
THINNESS = 5
"""Minimum ratio of the area of a segment to the square of half its width: a disk has 3, a line
three times as long as wide 12. 99% of the outlined spirochaetes have more."""
GAP = 16
"""Longest gap between two segments of a filament, not counting the cells that it crosses."""
FARTHEST = 60
"""Longest gap between two segments of a filament, cells included."""
TANGENT = 16
"""Length at the end of a segment that determines its direction there."""
STRAIGHT = 0.8
"""Minimum cosine of the angle between the end of a segment and the line to another segment."""


class Filaments(NamedTuple):
    """The filaments of an image.

    Attributes
    ----------
    labels : ndarray of int32, (height, width)
        Label image, numbered from top to bottom. A filament may consist of several segments.
    lengths : ndarray of float, (filaments,)
        Lengths in pixels, from end to end along the skeletons of the segments and straight across
        the gaps between them.
    means : ndarray of float, (filaments,)
        Mean probabilities along the skeletons.
    """

    labels: np.ndarray
    lengths: np.ndarray
    means: np.ndarray


class _Segment(NamedTuple):
    """Connected part of a filament.

    ``path`` are the pixels of the skeleton from end to end, int (n, 2), and ``length`` is its
    length; ``beyond`` is how far the segment reaches beyond both ends of it, together;
    ``probability`` is the sum of the probabilities along it.
    """

    path: np.ndarray
    length: float
    beyond: float
    probability: float


class _Joint(NamedTuple):
    """Two segments, given by their indices, that a gap of some length interrupts."""

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
    """Find the filaments of a region and measure their lengths.

    A segment is a thin group of pixels that touch, corners included. Two segments belong to one
    filament if an end of each points to an end of the other, and there are only a few pixels or a
    cell between them. Each end is joined to the nearest one at most.

    Parameters
    ----------
    region : ndarray of bool, (height, width)
        Pixels of filaments.
    probability : ndarray of float32, (height, width)
        Probability of filaments, 0 to 1.
    crossed : ndarray of bool, (height, width)
        Pixels of cells, which hide a filament that crosses them.
    scale : float
        Factor from pixels of the image to pixels at the working scale.
    options : SegmentationOptions
    """
    labels, _ = ndimage.label(region, EIGHT)
    keep(labels, areas(labels) >= SMALLEST_SEGMENT / scale**2)
    thin, segments = [], []
    for number, box in enumerate(ndimage.find_objects(labels), 1):
        part = labels[box] == number
        thin.append(part.sum() >= THINNESS * half_width(part) ** 2)
        if thin[-1]:
            segments.append(_segment(part, probability[box], box))
    keep(labels, np.array(thin, dtype=bool))
    if not segments:
        return Filaments(labels, np.zeros(0), np.zeros(0))
    joints = _joints([segment.path for segment in segments], crossed, scale)
    filaments, lengths, means = _join(segments, joints)
    shortest = SHORTEST / scale if options.minimum_length is None else options.minimum_length
    kept = (lengths >= shortest) & (means >= options.minimum_probability)
    renumber(labels, np.where(kept, np.cumsum(kept), 0)[filaments])
    return Filaments(labels, lengths[kept], means[kept])


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
    points = np.argwhere(skeletonize(np.pad(region, 1))) - 1
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


def _segment(region: np.ndarray, probability: np.ndarray, box: Tuple[slice, ...]) -> _Segment:
    path = skeleton_path(region)
    # The outline is half a pixel before the first pixel outside.
    beyond = distances_inside(region)[tuple(path[[0, -1]].T)] - 0.5
    along = probability[tuple(path.T)].sum(dtype=float)
    corner = [side.start for side in box]
    return _Segment(path + corner, path_length(path), beyond.sum(), along)


def _joints(paths: List[np.ndarray], crossed: np.ndarray, scale: float) -> List[_Joint]:
    """Find the ends that belong together. Ends 2 n and 2 n + 1 are those of path n."""
    ends, inner = [], []
    for path in paths:
        reach = min(round(TANGENT / scale), len(path) - 1)
        ends += [path[0], path[-1]]
        inner += [path[reach], path[-1 - reach]]
    candidates = []
    for a, b in cKDTree(ends).query_pairs(FARTHEST / scale):
        if a // 2 != b // 2 and _face_each_other(inner[a], ends[a], inner[b], ends[b]):
            length = float(np.linalg.norm(ends[a] - ends[b]))
            visible = length * (1 - crossed[line(*ends[a], *ends[b])].mean())
            candidates.append((visible, length, a, b))
    joints: List[_Joint] = []
    taken: Set[int] = set()
    for visible, length, a, b in sorted(candidates):
        if visible <= GAP / scale and not taken & {a, b}:
            taken |= {a, b}
            joints.append(_Joint(a // 2, b // 2, length))
    return joints


def _face_each_other(
    inner: np.ndarray, end: np.ndarray, other_inner: np.ndarray, other_end: np.ndarray
) -> bool:
    """Return True if two segments, given by an inner point and an end each, continue each other."""
    # Where two segments are side by side, their ends point the same way.
    opposite = (end - inner) @ (other_end - other_inner) <= 0
    leads = _leads_to(inner, end, other_end) and _leads_to(other_inner, other_end, end)
    return bool(opposite) and leads


def _leads_to(inner: np.ndarray, end: np.ndarray, target: np.ndarray) -> bool:
    """Return True if the line from an inner point through an end leads to the target."""
    along, onward = end - inner, target - inner
    lengths = np.linalg.norm(along) * np.linalg.norm(onward)
    return bool(along @ onward >= STRAIGHT * lengths)


def _join(
    segments: List[_Segment], joints: List[_Joint]
) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the filament of each segment, and the lengths and mean probabilities of filaments."""
    first = np.array([joint.first for joint in joints], dtype=int)
    second = np.array([joint.second for joint in joints], dtype=int)
    graph = sparse.coo_matrix((np.ones(len(joints)), (first, second)), (len(segments),) * 2)
    count, filaments = csgraph.connected_components(graph, directed=False)
    lengths = np.bincount(filaments, [segment.length for segment in segments], count)
    np.add.at(lengths, filaments[first], [joint.length for joint in joints])
    # At a joint, what is beyond the ends of the skeletons is part of the gap.
    beyond = np.zeros(count)
    np.maximum.at(beyond, filaments, [segment.beyond for segment in segments])
    points = np.bincount(filaments, [len(segment.path) for segment in segments], count)
    probability = np.bincount(filaments, [segment.probability for segment in segments], count)
    return filaments, lengths + beyond, probability / points
