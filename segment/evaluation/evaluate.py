"""Evaluate a model on images whose masks are known."""

import math
import operator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence

import numpy as np

from micrograph_networks.evaluation.calibration import expected_calibration_error, reliability
from micrograph_networks.training.split import select_part
from segment.annotations.dataset import Pair, read_pair, read_table
from segment.classes import BACKGROUND, FILAMENTS, NOTHING, PixelClass
from segment.evaluation.matching import Matches, match_cells, match_filaments
from segment.evaluation.scores import confusion_matrix, scores
from segment.inference.model import SegmentationModel
from segment.inference.options import SegmentationOptions
from segment.inference.picture import class_regions, overlay
from segment.inference.scaling import working_scale
from segment.inference.segmentation import ClassObjects, segment_image

UNCERTAIN = (0.5, 0.7, 0.9)
"""Uncertainties above which wrong pixels are counted."""


class Tally(NamedTuple):
    """Counts of the objects of a class.

    Attributes
    ----------
    found : int
        All objects that were found.
    true, judged, matched : int
        As in :class:`segment.evaluation.matching.Matches`: true objects, found objects that are
        compared with them, and pairs of the two.
    error : int
        Difference of the numbers of judged and true objects, summed over the images.
    images : int
        Number of images.
    calibration : ndarray of float, (3, 15)
        Result of :func:`micrograph_networks.evaluation.calibration.reliability`.
    filamentous_true, filamentous_judged, filamentous_matched, filamentous_error : int
        The same of filamentous true objects; 0 for cells.
    """

    found: int
    true: int
    judged: int
    matched: int
    error: int
    images: int
    calibration: np.ndarray
    filamentous_true: int = 0
    filamentous_judged: int = 0
    filamentous_matched: int = 0
    filamentous_error: int = 0


@dataclass(frozen=True)
class Counts:
    """Counts of pixels and objects of one or more images; counts can be added.

    Attributes
    ----------
    matrix : ndarray of int64, (classes, classes)
        Numbers of pixels; rows are true, columns found classes.
    tallies : dict of str to Tally
        By the name of each class that becomes objects.
    uncertain : ndarray of int, (2, 3)
        Numbers of pixels whose uncertainty is above each of UNCERTAIN, and of wrong ones among
        them.
    """

    matrix: np.ndarray
    tallies: Dict[str, Tally]
    uncertain: np.ndarray = field(default_factory=lambda: np.zeros((2, len(UNCERTAIN)), dtype=int))

    def __add__(self, other: "Counts") -> "Counts":
        """Return the counts of the images of both."""
        tallies = {
            name: Tally(*map(operator.add, tally, other.tallies[name]))
            for name, tally in self.tallies.items()
        }
        uncertain = self.uncertain + other.uncertain
        return Counts(self.matrix + other.matrix, tallies, uncertain)


@dataclass(frozen=True)
class Evaluated:
    """An image that was segmented and compared with its mask.

    Attributes
    ----------
    pair : Pair
        Image and mask.
    counts : Counts
        Their agreement.
    truth, classes : ndarray of uint8, (height, width)
        True and found class indices.
    """

    pair: Pair
    counts: Counts
    truth: np.ndarray
    classes: np.ndarray

    @property
    def mean_iou(self) -> float:
        """Mean IoU of the classes that occur in this image, 0 to 1."""
        return scores(self.counts.matrix).mean_iou


def pairs_of(table: Path, split: Optional[Path], part: str) -> List[Pair]:
    """Read which images and masks to evaluate on.

    Parameters
    ----------
    table : Path
        CSV with the columns images and masks.
    split : Path or None
        The split.csv of a training; by default all images are taken.
    part : str
        Part of the split to take.

    Raises
    ------
    UserError
        A file is unusable, or the table lists no image of the part.
    """
    pairs = read_table(table)
    if split is not None:
        pairs = [pairs[i] for i in select_part([pair.image for pair in pairs], split, part)]
    return pairs


def evaluate_pair(
    pair: Pair,
    model: SegmentationModel,
    options: SegmentationOptions,
    mask_classes: Sequence[str] = (),
) -> Evaluated:
    """Segment an image at its own size and compare it with its mask.

    Parameters
    ----------
    pair : Pair
    model : SegmentationModel
    options : SegmentationOptions
    mask_classes : sequence of str
        Class names of the indices in the mask, by default those of the model. Pixels of other
        classes than the model's count as background.

    Raises
    ------
    UserError
        A file is missing or unreadable, or the mask holds another value.
    """
    known = [one.name for one in model.classes]
    names = mask_classes or known
    image, mask = read_pair(pair, names)
    indices = [known.index(name) if name in known else BACKGROUND for name in names]
    truth = np.array(indices, dtype=np.uint8)[mask]
    found = segment_image(image, model, options=options)
    matrix = confusion_matrix(truth, found.classes, len(known))
    scale = working_scale(image.shape, model, options.cell_diameter)
    tallies = {
        one.pixel_class.name: _tally(truth == one.class_index, one, scale) for one in found.by_class
    }
    uncertain = _uncertain(found.uncertainty, truth != found.classes)
    return Evaluated(pair, Counts(matrix, tallies, uncertain), truth, found.classes)


def _uncertain(uncertainty: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """Return the numbers of uncertain pixels and of wrong ones among them, int (2, 3)."""
    above = [uncertainty > limit for limit in UNCERTAIN]
    return np.array([[np.count_nonzero(one & which) for one in above] for which in (True, wrong)])


def _tally(truth: np.ndarray, found: ClassObjects, scale: float) -> Tally:
    if found.pixel_class.kind == FILAMENTS:
        matches, filamentous = match_filaments(truth, found.labels, scale)
    else:
        matches, filamentous = match_cells(truth, found.labels), Matches(0, 0, 0)
    return Tally(
        len(found.means),
        *matches,
        abs(matches.true - matches.found),
        1,
        reliability(found.probability, truth),
        *filamentous,
        abs(filamentous.true - filamentous.found),
    )


def metrics(counts: Counts, classes: Sequence[PixelClass]) -> Dict[str, float]:
    """Compute all metrics of some images.

    Parameters
    ----------
    counts : Counts
    classes : sequence of PixelClass

    Returns
    -------
    dict of str to float
        ``METRIC_CLASS`` for the metrics of a class; ``mean_iou`` and ``mean_dice``, the means over
        the classes; and ``wrong_above_LIMIT``, the share of wrong pixels among those whose
        uncertainty is above the limit. Metrics of classes that do not occur are NaN.

    Notes
    -----
    The metrics of the pixels of every class are IoU, Dice, precision and recall. Those of every
    class of objects are

    - ``found``: number of all objects that were found;
    - ``true``, ``judged``, ``matched``: numbers of the objects that the masks distinguish, of the
      found objects that are compared with them, and of pairs of the two, by :func:`match_cells
      <segment.evaluation.matching.match_cells>` or :func:`match_filaments
      <segment.evaluation.matching.match_filaments>`;
    - ``object_precision``, ``object_recall``, ``object_f1``: matched divided by judged, matched
      divided by true, and their harmonic mean;
    - ``count_error``: difference of the numbers of judged and true objects, mean over the images;
    - ``calibration_error``: of the pixels, by :func:`expected_calibration_error
      <micrograph_networks.evaluation.calibration.expected_calibration_error>`;
    - of filaments ``filamentous_true``, ``filamentous_judged``, ``filamentous_matched``,
      ``filamentous_precision``, ``filamentous_recall``, ``filamentous_f1`` and
      ``filamentous_count_error``: the same without the round and short objects of the masks.
    """
    agreement = scores(counts.matrix)
    values = {}
    for metric in ("iou", "dice", "precision", "recall"):
        for one, value in zip(classes, getattr(agreement, metric).tolist()):
            values[f"{metric}_{one.in_names}"] = value
    values.update(mean_iou=agreement.mean_iou, mean_dice=agreement.mean_dice)
    for limit, pixels, wrong in zip(UNCERTAIN, *counts.uncertain.tolist()):
        values[f"wrong_above_{limit}"] = wrong / pixels if pixels else math.nan
    for one in classes:
        if one.kind != NOTHING:
            for metric, value in _object_metrics(counts.tallies[one.name], one.kind).items():
                values[f"{metric}_{one.in_names}"] = value
    return values


def _object_metrics(tally: Tally, kind: str) -> Dict[str, float]:
    matches = Matches(tally.true, tally.judged, tally.matched)
    values = {
        "found": tally.found,
        "true": tally.true,
        "judged": tally.judged,
        "matched": tally.matched,
        "object_precision": matches.precision,
        "object_recall": matches.recall,
        "object_f1": matches.f1,
        "count_error": tally.error / tally.images,
        "calibration_error": expected_calibration_error(tally.calibration),
    }
    if kind == FILAMENTS:
        matches = Matches(
            tally.filamentous_true, tally.filamentous_judged, tally.filamentous_matched
        )
        values.update(
            filamentous_true=matches.true,
            filamentous_judged=matches.found,
            filamentous_matched=matches.matched,
            filamentous_precision=matches.precision,
            filamentous_recall=matches.recall,
            filamentous_f1=matches.f1,
            filamentous_count_error=tally.filamentous_error / tally.images,
        )
    return values


def comparison(
    image: np.ndarray, truth: np.ndarray, found: np.ndarray, classes: Sequence[PixelClass]
) -> np.ndarray:
    """Draw an image, the image with true outlines, and with found outlines, side by side.

    Parameters
    ----------
    image : ndarray, (height, width) or (height, width, channels)
    truth, found : ndarray of int, (height, width)
        Class indices.
    classes : sequence of PixelClass

    Returns
    -------
    ndarray of uint8, (height, 3 * width, 3)
        RGB.
    """
    panels = [
        overlay(image, class_regions(indices, classes))
        for indices in (np.zeros_like(truth), truth, found)
    ]
    return np.concatenate(panels, axis=1)
