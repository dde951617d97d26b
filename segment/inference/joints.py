"""Ends of paths that continue each other, where filaments cross and where they are interrupted.

Paths are the pixels of skeletons, int (n, 2). Ends 2 n and 2 n + 1 are the first and the last pixel
of path n.
"""

from typing import Iterable, List, NamedTuple, Sequence, Set, Tuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree
from skimage.draw import line

from segment.inference.skeletons import Branch

# Lengths are in pixels at the working scale. All were chosen on training images.
GAP = 16
"""Longest gap between two segments of a filament, not counting what hides the filament there."""
FARTHEST = 60
"""Longest gap between two segments of a filament in all."""
TANGENT = 16
"""Length at the end of a path that determines its direction there."""
STRAIGHT = 0.8
"""Minimum cosine of the angle between the end of a path and the line to another path."""


class Joint(NamedTuple):
    """Two ends that continue each other at some distance in pixels."""

    first: int
    second: int
    length: float


def joints_at_junctions(branches: Sequence[Branch], scale: float) -> List[Joint]:
    """Find the branches that continue each other at a junction.

    The ends at a junction are paired so that the sum by which cosines exceed :data:`STRAIGHT` is
    largest: where curved filaments cross at a small angle, the straightest pair may be a wrong one.
    Two branches that are alone at a junction always continue each other.

    Parameters
    ----------
    branches : sequence of Branch
    scale : float
        Factor from pixels of the image to pixels at the working scale.
    """
    ends, inner = _ends([branch.path for branch in branches], scale)
    junctions = np.ravel([branch.junctions for branch in branches])
    owners = np.arange(len(ends)) // 2
    meet = (junctions[:, None] == junctions) & (junctions > 0) & (owners[:, None] != owners)
    cosines = _cosines(inner[:, None], ends[:, None], inner)
    straight = np.minimum(cosines, cosines.T) >= STRAIGHT
    gains = np.where(meet & straight, cosines + cosines.T - 2 * STRAIGHT, 0)
    gains[meet & (np.bincount(junctions)[junctions] == 2)] = 1
    pairs = zip(*linear_sum_assignment(gains, maximize=True))
    good = sorted((-gains[a, b], a, b) for a, b in pairs if gains[a, b] > 0)
    return _first_come([Joint(a, b, _distance(ends, a, b)) for _, a, b in good], ())


def joints_across_gaps(
    paths: Sequence[np.ndarray],
    regions: Sequence[int],
    hidden: np.ndarray,
    scale: float,
    taken: Iterable[int] = (),
) -> List[Joint]:
    """Find the ends that point to each other with only a few pixels between them.

    Parameters
    ----------
    paths : sequence of ndarray of int, (n, 2)
    regions : sequence of int
        Number of the region of each path; two paths of one region are not joined.
    hidden : ndarray of bool, (height, width)
        Pixels where a filament is not visible, such as those of cells.
    scale : float
        Factor from pixels of the image to pixels at the working scale.
    taken : iterable of int, optional
        Ends that are not joined.
    """
    ends, inner = _ends(paths, scale)
    candidates = []
    for a, b in cKDTree(ends).query_pairs(FARTHEST / scale):
        apart = regions[a // 2] != regions[b // 2]
        if apart and _face_each_other(inner[a], ends[a], inner[b], ends[b]):
            length = _distance(ends, a, b)
            visible = length * (1 - hidden[line(*ends[a], *ends[b])].mean())
            if visible <= GAP / scale:
                candidates.append((visible, Joint(a, b, length)))
    return _first_come([joint for _, joint in sorted(candidates)], taken)


def _first_come(candidates: Iterable[Joint], taken: Iterable[int]) -> List[Joint]:
    """Choose joints that share no end with one that precedes, nor with those taken before."""
    used: Set[int] = set(taken)
    joints = []
    for joint in candidates:
        if not used & {joint.first, joint.second}:
            used |= {joint.first, joint.second}
            joints.append(joint)
    return joints


def _ends(paths: Sequence[np.ndarray], scale: float) -> Tuple[np.ndarray, np.ndarray]:
    """Return the ends of paths and a point inside of each end, both int (2 paths, 2)."""
    ends, inner = [], []
    for path in paths:
        reach = min(round(TANGENT / scale), len(path) - 1)
        ends += [path[0], path[-1]]
        inner += [path[reach], path[-1 - reach]]
    return np.array(ends), np.array(inner)


def _distance(ends: np.ndarray, first: int, second: int) -> float:
    return float(np.linalg.norm(ends[first] - ends[second]))


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
    return bool(_cosines(inner, end, target) >= STRAIGHT)


def _cosines(inner: np.ndarray, end: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the cosine of the angle at an inner point between an end and a target.

    It is 1 where two of the points are the same.
    """
    along, onward = end - inner, target - inner
    lengths = np.linalg.norm(along, axis=-1) * np.linalg.norm(onward, axis=-1)
    products = np.sum(along * onward, axis=-1)
    return np.divide(products, lengths, out=np.ones_like(lengths), where=lengths > 0)
