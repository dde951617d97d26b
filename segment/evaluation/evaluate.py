"""Measure a model on images whose masks are known."""

from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Union

import numpy as np
from scipy.ndimage import label

from micrograph_networks.errors import UserError
from micrograph_networks.images.image_files import read_image
from micrograph_networks.training.split import read_part
from segment.annotations.dataset import Pair, read_pair, read_table
from segment.classes import BACKGROUND, BLOOD_CELL, CLASSES, SPIROCHAETE
from segment.evaluation.scores import confusion_matrix, scores
from segment.inference.model import SegmentationModel
from segment.inference.objects import EIGHT
from segment.inference.options import SegmentationOptions
from segment.inference.picture import overlay
from segment.inference.segmentation import segment_image

SCORES = ("iou", "dice", "precision", "recall")
"""Of every class."""
COUNTS = (
    *("true_cell_components", "found_cell_components", "found_cells"),
    *("true_spirochaetes", "found_spirochaetes"),
)
"""Components are pixels of blood cells that touch, so that cells that touch are one; masks do not
tell more. Cells are those that were told apart. Pixels of spirochaetes touch at corners, too."""
SCORES_AND_COUNTS = (
    *(f"{score}_{name.replace(' ', '_')}" for score in SCORES for name in CLASSES),
    *("mean_iou", "mean_dice"),
    *COUNTS,
)
"""Names in :func:`scores_and_counts`, in the order of the tables."""


@dataclass(frozen=True)
class Evaluated:
    """A segmentation beside the truth.

    Attributes
    ----------
    pair : Pair
    matrix : ndarray of int64, (3, 3)
        Pixels of each true (row) and found (column) class.
    counts : dict of str to int
        By the names in COUNTS.
    truth, classes : ndarray of uint8, (height, width)
        True and found class indices.
    """

    pair: Pair
    matrix: np.ndarray
    counts: Dict[str, int]
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


def evaluate_pair(pair: Pair, model: SegmentationModel, options: SegmentationOptions) -> Evaluated:
    """Segment an image at its own size and compare it with its mask.

    Parameters
    ----------
    pair : Pair
        With a mask of indices of CLASSES. Classes that the model does not know count as background.
    model : SegmentationModel
    options : SegmentationOptions

    Returns
    -------
    Evaluated

    Raises
    ------
    UserError
        A file is missing or unreadable, or the mask holds another value.
    """
    image, truth = read_pair(pair, CLASSES)
    if CLASSES[SPIROCHAETE] not in model.class_names:
        truth[truth == SPIROCHAETE] = BACKGROUND
    found = segment_image(image, model, options=options)
    counts = (
        label(truth == BLOOD_CELL)[1],
        label(found.classes == BLOOD_CELL)[1],
        len(found.cell_probabilities),
        label(truth == SPIROCHAETE, EIGHT)[1],
        len(found.spirochaete_probabilities),
    )
    return Evaluated(
        pair=pair,
        matrix=confusion_matrix(truth, found.classes, len(CLASSES)),
        counts=dict(zip(COUNTS, counts)),
        truth=truth,
        classes=found.classes,
    )


def scores_and_counts(
    matrix: np.ndarray, counts: Mapping[str, int]
) -> Dict[str, Union[float, int]]:
    """Scores and counts by name.

    Parameters
    ----------
    matrix : ndarray of int, (3, 3)
        Of one image, or a sum of several.
    counts : dict of str to int

    Returns
    -------
    dict of str to float or int
        Scores of classes that do not occur are NaN.
    """
    agreement = scores(matrix)
    values = np.concatenate([getattr(agreement, score) for score in SCORES]).tolist()
    values += [agreement.mean_iou, agreement.mean_dice]
    return dict(zip(SCORES_AND_COUNTS, values + [counts[name] for name in COUNTS]))


def comparison(evaluated: Evaluated) -> np.ndarray:
    """The image, true outlines on it, and the outlines that were found, side by side.

    Parameters
    ----------
    evaluated : Evaluated

    Returns
    -------
    ndarray of uint8, (height, 3 * width, 3)
        RGB.
    """
    image = read_image(evaluated.pair.image)
    nothing = np.zeros_like(evaluated.truth)
    panels = (nothing, evaluated.truth, evaluated.classes)
    return np.concatenate(
        [overlay(image, panel == BLOOD_CELL, panel == SPIROCHAETE) for panel in panels], axis=1
    )
