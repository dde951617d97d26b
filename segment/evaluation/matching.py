"""One-to-one matches of true and found objects: cells by overlap, filaments by skeletons."""

import math
from typing import NamedTuple, Tuple

import numpy as np
from scipy import ndimage
from scipy.optimize import linear_sum_assignment
from skimage.metrics import contingency_table
from skimage.morphology import disk, skeletonize

from segment.inference import label_images
from segment.inference.filaments import is_thin, separate_filaments

LEAST_IOU = 0.5
"""Minimum IoU of a found cell and the true cell that it is matched with."""
REACH = 4
"""Largest distance in pixels at which a point of a skeleton counts as near another skeleton."""
LEAST_SHARE = 0.5
"""Minimum share of each of two matched skeletons that is near the other one."""
SHORTEST_SKELETON = 12
"""Pixels of the shortest skeleton of a filamentous object, at the working scale."""
ALONE = 0.93
"""Minimum solidity of a connected region of a mask that counts as a single cell."""


class Matches(NamedTuple):
    """Numbers of objects and of matches.

    Attributes
    ----------
    true, found, matched : int
        Numbers of true objects, of found objects, and of matched pairs.
    """

    true: int
    found: int
    matched: int

    @property
    def precision(self) -> float:
        """Share of the found objects that are matched; NaN if there are none."""
        return self.matched / self.found if self.found else math.nan

    @property
    def recall(self) -> float:
        """Share of the true objects that are matched; NaN if there are none."""
        return self.matched / self.true if self.true else math.nan

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; NaN if there are no objects."""
        objects_of_both = self.true + self.found
        return 2 * self.matched / objects_of_both if objects_of_both else math.nan


def match_cells(truth: np.ndarray, found: np.ndarray) -> Matches:
    """Match isolated true cells with found cells, one to one, at IoU 0.5.

    A mask does not separate touching cells, so only a connected region (pixels that share a side)
    with a solidity, the share of its convex hull that it covers, of at least 0.93 is a true cell.
    Found cells that are not matched and have at least half of their pixels in other regions are
    not counted, because nobody knows whether they are right. The assignment has the most pairs
    with an IoU of at least 0.5 and, among such assignments, the largest sum of IoU, as in
    StarDist's matching (Schmidt et al. 2018, Cell detection with star-convex polygons).

    Parameters
    ----------
    truth : ndarray of bool, (height, width)
        Mask of cells.
    found : ndarray of int32, (height, width)
        Label image of cells.
    """
    regions, _ = ndimage.label(truth)
    alone = np.array(
        [
            label_images.solidity(regions[box] == number) >= ALONE
            for number, box in enumerate(ndimage.find_objects(regions), 1)
        ],
        dtype=bool,
    )
    shared = contingency_table(regions, found).toarray()[1:, 1:]
    areas = label_images.areas(found)
    iou = shared / (label_images.areas(regions)[:, None] + areas - shared)
    pairs = _assigned(iou[alone], LEAST_IOU)
    elsewhere = shared[~alone].sum(axis=0) * 2 >= areas
    elsewhere[pairs[1]] = False
    return Matches(int(alone.sum()), int((~elsewhere).sum()), len(pairs[0]))


def match_filaments(truth: np.ndarray, found: np.ndarray, scale: float) -> Tuple[Matches, Matches]:
    """Match filaments one to one if at least half of each skeleton is within 4 pixels of the other.

    An IoU would judge the width of the line that people drew, not whether they saw the filament.
    True filaments are the connected regions of the mask (pixels that share a side or a corner),
    separated by :func:`segment.inference.filaments.separate_filaments`. The assignment has the most
    pairs and, among such assignments, the largest sum of the smaller ones of the two shares.

    Parameters
    ----------
    truth : ndarray of bool, (height, width)
        Mask of filaments.
    found : ndarray of int32, (height, width)
        Label image of filaments; a filament may consist of several segments.
    scale : float
        Factor from pixels of the image to pixels at the working scale.

    Returns
    -------
    tuple of Matches
        Of all true filaments, and of those that are filamentous: their skeletons have at least 12
        pixels at the working scale, and they are as thin as :data:`segment.inference.filaments.
        THINNESS` demands of found ones. Found filaments that match only others do not count there.
    """
    true = _true_filaments(truth, scale)
    true_skeletons, found_skeletons = _skeletons(true), _skeletons(found)
    near_found = _near(true_skeletons, found_skeletons, true.max())
    near_true = _near(found_skeletons, true_skeletons, found.max()).T
    shares = np.minimum(near_found, near_true)
    rows, _ = _assigned(shares, LEAST_SHARE)
    long = label_images.areas(true_skeletons) * scale >= SHORTEST_SKELETON
    thin = [is_thin(true[box] == n) for n, box in enumerate(ndimage.find_objects(true), 1)]
    filamentous = long & np.array(thin, dtype=bool)
    _, columns = _assigned(shares[filamentous], LEAST_SHARE)
    elsewhere = (shares[~filamentous] >= LEAST_SHARE).any(axis=0)
    elsewhere[columns] = False
    return (
        Matches(len(shares), int(found.max()), len(rows)),
        Matches(int(filamentous.sum()), int((~elsewhere).sum()), len(columns)),
    )


def on_true_filaments(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Return True for filaments of which half of the skeleton is within 4 pixels of a true one.

    Parameters
    ----------
    truth : ndarray of bool, (height, width)
        Mask of filaments.
    found : ndarray of int32, (height, width)
        Label image of filaments.

    Returns
    -------
    ndarray of bool, (filaments,)
    """
    near = ndimage.binary_dilation(truth, disk(REACH))
    return label_images.means(_skeletons(found), near) >= LEAST_SHARE


def _true_filaments(truth: np.ndarray, scale: float) -> np.ndarray:
    """Return the label image of the true filaments of a mask."""
    labels, _ = ndimage.label(truth, label_images.EIGHT)
    count = 0
    # Filaments get negative numbers at first, to distinguish them from regions that still follow.
    for number, box in enumerate(ndimage.find_objects(labels), 1):
        part = labels[box] == number
        owners = separate_filaments(part, scale)
        labels[box][part] = -count - owners[part]
        count += owners.max()
    return np.negative(labels, out=labels)


def _assigned(score: np.ndarray, least: float) -> Tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of the best pairs, all with a score of at least the least."""
    good = score >= least
    # One more pair is worth more than the scores, 0 to 1, of all pairs together.
    worth = np.where(good, score + min(score.shape), 0)
    rows, cols = linear_sum_assignment(worth, maximize=True)
    kept = good[rows, cols]
    return rows[kept], cols[kept]


def _skeletons(labels: np.ndarray) -> np.ndarray:
    """Return the label image of the skeletons of the objects."""
    skeletons = np.zeros_like(labels)
    for number, box in enumerate(ndimage.find_objects(labels), 1):
        skeletons[box][skeletonize(np.pad(labels[box] == number, 1))[1:-1, 1:-1]] = number
    return skeletons


def _near(skeletons: np.ndarray, others: np.ndarray, count: int) -> np.ndarray:
    """Return the share of each skeleton that is near each other one, float (count, others)."""
    near = np.zeros((count, others.max()))
    lengths = np.bincount(skeletons.ravel(), minlength=count + 1)[1:]
    for number, box in enumerate(ndimage.find_objects(others), 1):
        around = tuple(slice(max(s.start - REACH, 0), s.stop + REACH) for s in box)
        distance = ndimage.distance_transform_edt(others[around] != number)
        within = skeletons[around][distance <= REACH]
        near[:, number - 1] = np.bincount(within, minlength=count + 1)[1:] / lengths
    return near
