"""Segment an image: pixels in, classes and numbered objects out."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Optional, Sequence, Tuple

import numpy as np

from micrograph_networks.images.masking import mirror_inside, valid_pixels
from segment.classes import BACKGROUND, BLOOD_CELL, CLASSES, SPIROCHAETE
from segment.inference import objects
from segment.inference.model import SegmentationModel
from segment.inference.normalisation import as_colour
from segment.inference.options import SegmentationOptions
from segment.inference.prediction import predict_probabilities


class ClassObjects(NamedTuple):
    """The objects of one class.

    Attributes
    ----------
    class_index : int
        In CLASSES.
    labels : ndarray of int32, (height, width)
        0 outside of objects, which have 1, 2, ...
    all_labels : ndarray of int32, (height, width)
        The same with those that were left out at the border, with numbers of their own.
    probability : ndarray of float32, (height, width)
        Of the class, 0 to 1.
    means : ndarray of float, (objects,)
        Mean probability of every object's pixels.
    lengths : ndarray of float, (objects,), or None
        Of threads in pixels, where they were measured.
    """

    class_index: int
    labels: np.ndarray
    all_labels: np.ndarray
    probability: np.ndarray
    means: np.ndarray
    lengths: Optional[np.ndarray] = None


@dataclass(frozen=True)
class Segmentation:
    """What was found in an image.

    Attributes
    ----------
    probabilities : ndarray of float32, (height, width, 3)
        Of background, blood cell and spirochaete; sums to 1.
    cells : ndarray of int32, (height, width)
        0 outside of blood cells, which have 1, 2, ...
    spirochaetes : ndarray of int32, (height, width)
        0 outside of spirochaetes, which have 1, 2, ...
    all_cells : ndarray of int32, (height, width)
        Those of ``cells`` and those that were left out at the border, with numbers of their own.
    """

    probabilities: np.ndarray
    cells: np.ndarray
    spirochaetes: np.ndarray
    all_cells: np.ndarray

    @cached_property
    def classes(self) -> np.ndarray:
        """Class of every pixel, that of the object it belongs to, uint8 (height, width)."""
        classes = np.full(self.cells.shape, BACKGROUND, dtype=np.uint8)
        classes[self.cells > 0] = BLOOD_CELL
        classes[self.spirochaetes > 0] = SPIROCHAETE
        return classes

    @cached_property
    def cell_probabilities(self) -> np.ndarray:
        """Mean probability of blood cell over every cell, float (cells,)."""
        return objects.means(self.cells, self.probabilities[..., BLOOD_CELL])

    @cached_property
    def spirochaete_probabilities(self) -> np.ndarray:
        """Mean probability of spirochaete over every spirochaete, float (spirochaetes,)."""
        return objects.means(self.spirochaetes, self.probabilities[..., SPIROCHAETE])

    def by_class(self) -> Tuple[ClassObjects, ...]:
        """The objects of every class but the background, in the order of CLASSES."""
        cells = (self.cells, self.all_cells), self.cell_probabilities
        spirochaetes = (self.spirochaetes, self.spirochaetes), self.spirochaete_probabilities
        return tuple(
            ClassObjects(index, *labels, self.probabilities[..., index], means)
            for index, (labels, means) in ((BLOOD_CELL, cells), (SPIROCHAETE, spirochaetes))
        )


def segment_image(
    image: np.ndarray,
    model: SegmentationModel,
    mask: Optional[np.ndarray] = None,
    options: SegmentationOptions = SegmentationOptions(),
) -> Segmentation:
    """Find blood cells and spirochaetes.

    Parameters
    ----------
    image : ndarray, (height, width) or (height, width, 1 to 4)
        Grey or colour of any bit depth, as :func:`segment.inference.normalisation.to_rgb` takes it.
        Pixels that are NaN or infinite are treated as if they lay outside of the mask.
    mask : ndarray of bool, (height, width), optional
        True where objects are looked for; everywhere by default. What lies outside has no
        influence: it is replaced by a mirror image of what lies inside.
    options : SegmentationOptions

    Returns
    -------
    Segmentation

    Raises
    ------
    UserError
        The image is a stack, empty, or of a dtype without a known range, the mask is of another
        shape, or the memory does not suffice.
    """
    image = as_colour(image)
    valid = valid_pixels(image, mask)
    image = mirror_inside(image, valid)
    probabilities = _arranged(
        predict_probabilities(image, model, options.cell_diameter), model.class_names
    )
    probabilities[~valid] = np.eye(len(CLASSES))[BACKGROUND]
    return segment_probabilities(probabilities, valid, options)


def segment_probabilities(
    probabilities: np.ndarray, valid: np.ndarray, options: SegmentationOptions
) -> Segmentation:
    """Make objects of probabilities.

    A pixel belongs to the more probable of blood cell and spirochaete where that reaches the
    threshold against background; at a threshold of 0.5 this is the most probable class.

    Parameters
    ----------
    probabilities : ndarray of float32, (height, width, 3)
    valid : ndarray of bool, (height, width)
        Where objects may be.
    options : SegmentationOptions

    Returns
    -------
    Segmentation
    """
    spirochaetes, all_cells = _labels(probabilities, valid, options)
    # A hole may be filled that is no background.
    all_cells[spirochaetes > 0] = 0
    all_cells[~valid] = 0
    cells = objects.discard_border(all_cells, valid) if options.discard_border else all_cells
    return Segmentation(probabilities, cells, spirochaetes, all_cells)


def _labels(
    probabilities: np.ndarray, valid: np.ndarray, options: SegmentationOptions
) -> Tuple[np.ndarray, np.ndarray]:
    """Label images of spirochaetes and of blood cells."""
    classes = most_probable_classes(probabilities, options.threshold)
    classes[~valid] = BACKGROUND
    spirochaetes = objects.label_spirochaetes(classes == SPIROCHAETE)
    region = classes == BLOOD_CELL
    del classes  # a large image leaves no memory for what is done with
    return spirochaetes, objects.label_cells(region, probabilities[..., BLOOD_CELL], options)


def most_probable_classes(probabilities: np.ndarray, threshold: float) -> np.ndarray:
    """Classes of the pixels one by one, whatever objects were made of them.

    Parameters
    ----------
    probabilities : ndarray of float32, (height, width, 3)
    threshold : float
        As in :class:`SegmentationOptions`.

    Returns
    -------
    ndarray of uint8, (height, width)
    """
    odds = np.ones(len(CLASSES), dtype=np.float32)
    odds[BACKGROUND] = threshold / (1 - threshold)
    classes = np.empty(probabilities.shape[:2], dtype=np.uint8)
    for row, found in zip(classes, probabilities):
        row[:] = np.argmax(found * odds, axis=1)
    return classes


def _arranged(probabilities: np.ndarray, class_names: Sequence[str]) -> np.ndarray:
    """Probabilities of CLASSES from those of a network with others or in another order."""
    if tuple(class_names) == CLASSES:
        return probabilities
    share = np.zeros((len(class_names), len(CLASSES)), dtype=np.float32)
    for index, name in enumerate(class_names):
        share[index, CLASSES.index(name) if name in CLASSES else BACKGROUND] = 1
    return probabilities @ share
