"""Measure a model on images whose masks are known."""

import operator
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from micrograph_networks.errors import UserError
from micrograph_networks.evaluation.calibration import expected_calibration_error, reliability
from micrograph_networks.images.image_files import read_image
from micrograph_networks.training.split import read_part
from segment.annotations.dataset import Pair, read_pair, read_table
from segment.classes import BACKGROUND, FILAMENTS, NOTHING, PixelClass
from segment.evaluation.matching import Matches, match_cells, match_filaments
from segment.evaluation.scores import confusion_matrix, scores
from segment.inference.model import SegmentationModel
from segment.inference.options import SegmentationOptions
from segment.inference.picture import class_regions, overlay
from segment.inference.segmentation import ClassObjects, segment_image

SCORES = ("iou", "dice", "precision", "recall")
"""Of the pixels of every class."""
OBJECT_FIGURES = (
    *("found", "true", "judged", "matched"),
    *("object_precision", "object_recall", "object_f1", "count_error", "calibration_error"),
)
"""Of every class that becomes objects; see :func:`figures`."""


class Tally(NamedTuple):
    """What is counted of the objects of a class; those of several images can be added.

    Attributes
    ----------
    found : int
        All objects that were found.
    true, judged, matched : int
        As in :class:`segment.evaluation.matching.Matches`: true objects, found ones that are
        compared with them, and pairs of the two.
    error : int
        By which the number of judged objects of an image misses that of the true ones.
    images : int
    calibration : ndarray of float, (3, 15)
        As :func:`micrograph_networks.evaluation.calibration.reliability` gives it.
    """

    found: int
    true: int
    judged: int
    matched: int
    error: int
    images: int
    calibration: np.ndarray


@dataclass(frozen=True)
class Evaluated:
    """A segmentation beside the truth.

    Attributes
    ----------
    pair : Pair
    matrix : ndarray of int64, (classes, classes)
        Pixels of each true (row) and found (column) class.
    tallies : dict of str to Tally
        By the names of the classes that become objects.
    truth, classes : ndarray of uint8, (height, width)
        True and found class indices.
    """

    pair: Pair
    matrix: np.ndarray
    tallies: Dict[str, Tally]
    truth: np.ndarray
    classes: np.ndarray

    @property
    def mean_iou(self) -> float:
        """Mean IoU of the classes that occur in this image, 0 to 1."""
        return scores(self.matrix).mean_iou


def pairs_of(table: Path, split: Optional[Path], part: str) -> List[Pair]:
    """Images and masks to evaluate on.

    Parameters
    ----------
    table : Path
        A CSV with columns images and masks.
    split : Path or None
        The split.csv of a training, to leave out what it learned from.
    part : str
        Of the split.

    Returns
    -------
    list of Pair

    Raises
    ------
    UserError
        A file is unusable, or the table lists no image of the part.
    """
    pairs = read_table(table)
    if split is not None:
        chosen = read_part(split, part)
        pairs = [pair for pair in pairs if pair.name in chosen]
    if not pairs:
        raise UserError(f"{table} lists none of the {part} images of {split}.")
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
        Names of the indices in the mask, those of the model's classes by default. Pixels of a class
        that the model does not know count as background.

    Returns
    -------
    Evaluated

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
    return Evaluated(
        pair=pair,
        matrix=confusion_matrix(truth, found.classes, len(known)),
        tallies={
            one.described.name: _tally(truth == one.class_index, one) for one in found.by_class
        },
        truth=truth,
        classes=found.classes,
    )


def _tally(truth: np.ndarray, found: ClassObjects) -> Tally:
    match = match_filaments if found.described.kind == FILAMENTS else match_cells
    matches = match(truth, found.labels)
    return Tally(
        len(found.means),
        *matches,
        error=abs(matches.true - matches.found),
        images=1,
        calibration=reliability(found.probability, truth),
    )


def added(first: Mapping[str, Tally], second: Mapping[str, Tally]) -> Dict[str, Tally]:
    """Tallies of two sets of images together.

    Parameters
    ----------
    first, second : mapping of str to Tally
        ``first`` may be empty.

    Returns
    -------
    dict of str to Tally
    """
    return {
        name: Tally(*map(operator.add, first[name], tally)) if first else tally
        for name, tally in second.items()
    }


def figure_names(classes: Sequence[PixelClass]) -> Tuple[str, ...]:
    """Names of the :func:`figures` of a model, in the order of the tables.

    Parameters
    ----------
    classes : sequence of PixelClass

    Returns
    -------
    tuple of str
    """
    of_pixels = (f"{score}_{one.in_names}" for score in SCORES for one in classes)
    of_objects = (
        f"{figure}_{one.in_names}"
        for one in classes
        if one.kind != NOTHING
        for figure in OBJECT_FIGURES
    )
    return (*of_pixels, "mean_iou", "mean_dice", *of_objects)


def figures(
    matrix: np.ndarray, tallies: Mapping[str, Tally], classes: Sequence[PixelClass]
) -> Dict[str, float]:
    """Scores and counts by name.

    Of every class of pixels IoU, Dice, precision and recall, and of every class of objects

    - ``found``: all objects that were found;
    - ``true``, ``judged``, ``matched``: the objects that masks tell apart, the found ones that are
      compared with them, and pairs of the two, by :func:`match_cells
      <segment.evaluation.matching.match_cells>` or :func:`match_filaments
      <segment.evaluation.matching.match_filaments>`;
    - ``object_precision``, ``object_recall``, ``object_f1``: matched by judged ones, matched by
      true ones, and their harmonic mean;
    - ``count_error``: mean over the images of the difference between judged and true ones;
    - ``calibration_error``: of the pixels, by :func:`expected_calibration_error
      <micrograph_networks.evaluation.calibration.expected_calibration_error>`.

    Parameters
    ----------
    matrix : ndarray of int, (classes, classes)
        Of one image, or a sum of several.
    tallies : mapping of str to Tally
        Of the same images.
    classes : sequence of PixelClass

    Returns
    -------
    dict of str to float
        By :func:`figure_names`. Scores of what does not occur are NaN.
    """
    agreement = scores(matrix)
    values = np.concatenate([getattr(agreement, score) for score in SCORES]).tolist()
    values += [agreement.mean_iou, agreement.mean_dice]
    for one in classes:
        if one.kind != NOTHING:
            values += _object_figures(tallies[one.name])
    return dict(zip(figure_names(classes), values))


def _object_figures(tally: Tally) -> List[float]:
    matches = Matches(tally.true, tally.judged, tally.matched)
    return [
        *(tally.found, *matches),
        *(matches.precision, matches.recall, matches.f1),
        tally.error / tally.images,
        expected_calibration_error(tally.calibration),
    ]


def comparison(evaluated: Evaluated, classes: Sequence[PixelClass]) -> np.ndarray:
    """The image, true outlines on it, and the outlines that were found, side by side.

    Parameters
    ----------
    evaluated : Evaluated
    classes : sequence of PixelClass

    Returns
    -------
    ndarray of uint8, (height, 3 * width, 3)
        RGB.
    """
    image = read_image(evaluated.pair.image)
    nothing = np.zeros_like(evaluated.truth)
    panels = (nothing, evaluated.truth, evaluated.classes)
    return np.concatenate(
        [overlay(image, class_regions(panel, classes)) for panel in panels], axis=1
    )
