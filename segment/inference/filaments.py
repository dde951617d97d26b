"""From pixels to filaments: long thin objects, each one object even where it is interrupted.

Filaments that cross or touch in one region are separated.
"""

from typing import List, NamedTuple, Sequence, Tuple

import numpy as np
from scipy import ndimage, sparse
from scipy.sparse import csgraph
from skimage.draw import line

from segment.inference.joints import Joint, joints_across_gaps, joints_at_junctions
from segment.inference.label_images import (
    EIGHT,
    areas,
    distances_inside,
    half_width,
    keep,
    renumber,
)
from segment.inference.options import SegmentationOptions
from segment.inference.skeletons import Branch, path_length, skeleton_branches, skeleton_path

# Lengths are in pixels at the working scale. All were chosen on training images.
SHORTEST = 20
"""Length of the shortest filament, unless the user chooses another one, and of the shortest one
that is separated from another."""
SMALLEST_SEGMENT = 20
"""Pixels of the smallest region of a filament."""
THINNESS = 5
"""Minimum ratio of the area of a region to the square of half its width: a disk has 3, a line
three times as long as wide 12. 99% of the outlined spirochaetes have more."""


class Filaments(NamedTuple):
    """The filaments of an image.

    Attributes
    ----------
    labels : ndarray of int32, (height, width)
        Label image, numbered from top to bottom. A filament may consist of several segments.
    lengths : ndarray of float, (filaments,)
        Lengths in pixels, from end to end along the skeletons of the segments and straight across
        crossings and the gaps between segments.
    means : ndarray of float, (filaments,)
        Mean probabilities along the skeletons.
    """

    labels: np.ndarray
    lengths: np.ndarray
    means: np.ndarray


class _Segment(NamedTuple):
    """Connected part of a filament, unless another filament crosses it.

    ``path`` are the pixels of the skeleton from end to end, int (n, 2), and ``length`` is its
    length; ``beyond`` is how far the segment reaches beyond both ends of it, together;
    ``probabilities`` are those along it, without holes that the skeleton leads through.
    """

    path: np.ndarray
    length: float
    beyond: float
    probabilities: np.ndarray


def label_filaments(
    region: np.ndarray,
    probability: np.ndarray,
    crossed: np.ndarray,
    scale: float,
    options: SegmentationOptions,
) -> Filaments:
    """Find the filaments of a region and measure their lengths.

    A segment is a thin group of pixels that touch, corners included; where several cross or touch
    in one group, each has the pixels that are nearest to its skeleton. Two segments belong to one
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
    segments: List[_Segment] = []
    regions: List[int] = []
    # Segments get negative numbers at first, to distinguish them from regions that still follow.
    for number, box in enumerate(ndimage.find_objects(labels), 1):
        part = labels[box] == number
        labels[box][part] = 0
        if is_thin(part):
            paths = _filament_paths(part, scale)
            owners = _owners(part, paths)
            labels[box][part] = -len(segments) - owners[part]
            regions += [number] * len(paths)
            for owner, path in enumerate(paths, 1):
                along = probability[box][tuple(path[part[tuple(path.T)]].T)]
                segments.append(_segment(owners == owner, path, along, box))
    np.negative(labels, out=labels)
    if not segments:
        return Filaments(labels, np.zeros(0), np.zeros(0))
    # Branches of one region that continue each other are joined already.
    joints = joints_across_gaps([segment.path for segment in segments], regions, crossed, scale)
    filaments, lengths, means = _join(segments, joints)
    shortest = SHORTEST / scale if options.minimum_length is None else options.minimum_length
    kept = (lengths >= shortest) & (means >= options.minimum_probability)
    renumber(labels, np.where(kept, np.cumsum(kept), 0)[filaments])
    return Filaments(labels, lengths[kept], means[kept])


def is_thin(region: np.ndarray) -> bool:
    """Return True if a region, bool (height, width), is long and thin enough for a filament."""
    return bool(region.sum() >= THINNESS * half_width(region) ** 2)


def separate_filaments(region: np.ndarray, scale: float) -> np.ndarray:
    """Separate the filaments that cross or touch in a connected region, if it is thin.

    Parameters
    ----------
    region : ndarray of bool, (height, width)
    scale : float
        Factor from pixels of the image to pixels at the working scale.

    Returns
    -------
    ndarray of int, (height, width)
        Label image of the filaments, which have all pixels of the region: each has those that are
        nearest to its skeleton.
    """
    return _owners(region, _filament_paths(region, scale) if is_thin(region) else [])


def _owners(region: np.ndarray, paths: Sequence[np.ndarray]) -> np.ndarray:
    """Return the label image of a region whose pixels belong to the nearest path."""
    if len(paths) < 2:
        return region.astype(int)
    numbers = np.zeros(region.shape, dtype=int)
    for number, path in enumerate(paths, 1):
        numbers[tuple(path.T)] = number
    nearest = ndimage.distance_transform_edt(
        numbers == 0, return_distances=False, return_indices=True
    )
    return numbers[tuple(nearest)] * region


def _filament_paths(region: np.ndarray, scale: float) -> List[np.ndarray]:
    """Return the skeletons of the filaments in a region, each from end to end."""
    branches = skeleton_branches(region)
    joints = _joints_of_branches(branches, region, scale) if branches else []
    trails = _trails(branches, joints)
    paths = [path for path in trails if path_length(path) >= SHORTEST / scale]
    ends = [junction for branch in branches for junction in branch.junctions]
    # A connected graph without loops has fewer branches than junctions and free ends.
    has_loop = len(branches) >= len({*ends, 0}) - 1 + ends.count(0)
    if len(paths) > 1 or paths and has_loop:
        return sorted(paths, key=lambda path: path[:, 0].min())
    return [skeleton_path(region)]


def _joints_of_branches(
    branches: Sequence[Branch], region: np.ndarray, scale: float
) -> List[Joint]:
    joints = joints_at_junctions(branches, scale)
    free = np.flatnonzero(np.ravel([branch.junctions for branch in branches]) == 0)
    joined = [end for joint in joints for end in (joint.first, joint.second)]
    # Where filaments are side by side for a while, one hides the other one.
    paths = [branch.path for branch in branches]
    return joints + joints_across_gaps(paths, range(len(paths)), region, scale, [*free, *joined])


def _trails(branches: Sequence[Branch], joints: Sequence[Joint]) -> List[np.ndarray]:
    """Return the paths of branches that are joined, connected by straight lines."""
    partner = np.full(2 * len(branches), -1)
    for first, second, _ in joints:
        partner[[first, second]] = second, first
    unused = set(range(len(branches)))
    trails = []
    # The last ones are those of closed trails.
    for end in [*np.flatnonzero(partner < 0), *range(len(partner))]:
        trail: List[np.ndarray] = []
        while end >= 0 and end // 2 in unused:
            unused.remove(end // 2)
            path = branches[end // 2].path[:: -1 if end % 2 else 1]
            if trail:
                trail.append(np.transpose(line(*trail[-1][-1], *path[0]))[1:-1])
            trail.append(path)
            end = partner[end ^ 1]
        if trail:
            trails.append(np.concatenate(trail))
    return trails


def _segment(
    region: np.ndarray, path: np.ndarray, probabilities: np.ndarray, box: Tuple[slice, ...]
) -> _Segment:
    # The outline is half a pixel before the first pixel outside.
    beyond = distances_inside(region)[tuple(path[[0, -1]].T)] - 0.5
    corner = [side.start for side in box]
    return _Segment(path + corner, path_length(path), beyond.sum(), probabilities)


def _join(
    segments: List[_Segment], joints: List[Joint]
) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the filament of each segment, and the lengths and mean probabilities of filaments."""
    first = np.array([joint.first // 2 for joint in joints], dtype=int)
    second = np.array([joint.second // 2 for joint in joints], dtype=int)
    graph = sparse.coo_matrix((np.ones(len(joints)), (first, second)), (len(segments),) * 2)
    count, filaments = csgraph.connected_components(graph, directed=False)
    lengths = np.bincount(filaments, [segment.length for segment in segments], count)
    np.add.at(lengths, filaments[first], [joint.length for joint in joints])
    # At a joint, what is beyond the ends of the skeletons is part of the gap.
    beyond = np.zeros(count)
    np.maximum.at(beyond, filaments, [segment.beyond for segment in segments])
    points = np.bincount(filaments, [len(segment.probabilities) for segment in segments], count)
    sums = [segment.probabilities.sum(dtype=float) for segment in segments]
    return filaments, lengths + beyond, np.bincount(filaments, sums, count) / points
