"""Which objects were found: one to one, cells by their overlap and filaments by their skeletons."""

import math
from typing import Iterator, NamedTuple, Tuple

import numpy as np
from scipy import ndimage
from scipy.optimize import linear_sum_assignment
from skimage.morphology import skeletonize

from segment.inference import objects

LEAST_IOU = 0.5
"""Of a found cell and the true one that it is matched with."""
REACH = 4
"""Pixels from a point of a filament's skeleton to the other skeleton, at which they are the same."""
LEAST_SHARE = 0.5
"""Of the skeleton of each of two filaments that lies within :data:`REACH` of the other's."""
ALONE = 0.93
"""Least solidity of a connected region of a mask that is taken for one cell, not for several."""


class Matches(NamedTuple):
    """How many objects there are, and how many of them were found.

    Attributes
    ----------
    true, found, matched : int
        Objects of the truth, objects that were found, and pairs of the two.
    """

    true: int
    found: int
    matched: int

    @property
    def precision(self) -> float:
        """Share of the found objects that are matched, a float; NaN if there is none."""
        return self.matched / self.found if self.found else math.nan

    @property
    def recall(self) -> float:
        """Share of the true objects that are matched, a float; NaN if there is none."""
        return self.matched / self.true if self.true else math.nan

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, a float; NaN if there is no object at all."""
        objects_of_both = self.true + self.found
        return 2 * self.matched / objects_of_both if objects_of_both else math.nan


def match_cells(truth: np.ndarray, found: np.ndarray) -> Matches:
    """Match cells that stand alone with those that were found, one to one, at IoU 0.5.

    A mask does not part cells that touch: its connected regions (pixels that share a side) are true
    cells where their solidity, the share of their convex hull that they take up, is 0.93 or more.
    Found cells that are not matched and lie with half of their pixels or more in another region
    are left out, since it cannot be told whether they are right. The assignment is that of
    most pairs with an IoU of 0.5 or more and, among those, of the largest sum of IoU, as in
    StarDist's matching (Schmidt et al. 2018, Cell detection with star-convex polygons).

    Parameters
    ----------
    truth : ndarray of bool, (height, width)
        Pixels of cells.
    found : ndarray of int32, (height, width)
        0 outside of cells, which have 1, 2, ...

    Returns
    -------
    Matches
    """
    regions, count = ndimage.label(truth)
    alone = np.array(
        [objects.solidity(regions[box] == n) >= ALONE for n, box in _boxes(regions)], dtype=bool
    )
    shared = _shared(regions, found, count)
    areas = objects.areas(found)
    iou = shared / (objects.areas(regions)[:, None] + areas - shared)
    pairs = _assigned(iou[alone], LEAST_IOU)
    elsewhere = shared[~alone].sum(axis=0) * 2 >= areas
    elsewhere[pairs[1]] = False
    return Matches(int(alone.sum()), int((~elsewhere).sum()), len(pairs[0]))


def match_filaments(truth: np.ndarray, found: np.ndarray) -> Matches:
    """Match filaments one to one, where at least half of each skeleton lies near the other's.

    An IoU would judge the width at which people drew a line of a few pixels, not whether they saw
    it. Near is 4 pixels; the truth are the connected regions of a mask, whose pixels may touch at
    corners. The assignment is that of most such pairs and, among those, of the largest sum of
    the smaller one of the two shares.

    Parameters
    ----------
    truth : ndarray of bool, (height, width)
        Pixels of filaments.
    found : ndarray of int32, (height, width)
        0 outside of filaments, which have 1, 2, ...; one may lie in several pieces.

    Returns
    -------
    Matches
    """
    regions, count = ndimage.label(truth, objects.EIGHT)
    true_lines, found_lines = (_skeletons(labels) for labels in (regions, found))
    near_truth = _near(true_lines, found_lines, count)
    near_found = _near(found_lines, true_lines, found.max()).T
    pairs = _assigned(np.minimum(near_truth, near_found), LEAST_SHARE)
    return Matches(count, int(found.max()), len(pairs[0]))


def _boxes(labels: np.ndarray) -> Iterator[Tuple[int, Tuple[slice, ...]]]:
    """Numbers of the objects and windows round them."""
    return enumerate(ndimage.find_objects(labels), 1)


def _shared(truth: np.ndarray, found: np.ndarray, count: int) -> np.ndarray:
    """Pixels that true and found objects share, int (true, found)."""
    width = found.max() + 1
    pairs = truth.astype(np.intp).ravel() * width + found.ravel()
    return np.bincount(pairs, minlength=(count + 1) * width).reshape(-1, width)[1:, 1:]


def _assigned(score: np.ndarray, least: float) -> Tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the best pairs, all with at least the least score."""
    good = score >= least
    # A pair more outweighs whatever the scores, 0 to 1, of all pairs could gain.
    worth = np.where(good, score + min(score.shape), 0)
    rows, cols = linear_sum_assignment(worth, maximize=True)
    kept = good[rows, cols]
    return rows[kept], cols[kept]


def _skeletons(labels: np.ndarray) -> np.ndarray:
    """The labels along the middle lines of the objects alone."""
    lines = np.zeros_like(labels)
    for number, box in _boxes(labels):
        lines[box][skeletonize(np.pad(labels[box] == number, 1))[1:-1, 1:-1]] = number
    return lines


def _near(lines: np.ndarray, others: np.ndarray, count: int) -> np.ndarray:
    """Share of every line that lies within reach of every other one, float (count, others)."""
    near = np.zeros((count, others.max()))
    lengths = np.bincount(lines.ravel(), minlength=count + 1)[1:]
    for number, box in _boxes(others):
        around = tuple(slice(max(s.start - REACH, 0), s.stop + REACH) for s in box)
        distance = ndimage.distance_transform_edt(others[around] != number)
        within = lines[around][distance <= REACH]
        near[:, number - 1] = np.bincount(within, minlength=count + 1)[1:] / lengths
    return near
