"""Segment an image: pixels in, classes and numbered objects out."""

from dataclasses import dataclass
from functools import cached_property
from typing import Optional

import numpy as np

from micrograph_networks.errors import UserError
from micrograph_networks.images.masking import mirror_inside, valid_pixels
from segment.classes import BACKGROUND, BLOOD_CELL, CLASSES, SPIROCHAETE
from segment.inference import objects
from segment.inference.model import load_model
from segment.inference.normalisation import as_colour
from segment.inference.prediction import predict_probabilities


@dataclass(frozen=True)
class SegmentationOptions:
    """How objects are made of probabilities.

    Attributes
    ----------
    threshold : float
        Probability against background from which a pixel belongs to a cell or spirochaete, above
        0 and below 1.
    cell_diameter : float, optional
        Typical diameter of a blood cell in pixels of the image, 1 or more. Without it the image's
        longer side is brought to that of the training images.
    separate_touching : bool
        Whether touching cells are divided.
    fill_holes : bool
        Whether the inside of rings counts as cell.
    minimum_area : int
        Pixels of the smallest cell that is kept.
    discard_border : bool
        Whether cells are left out that touch the border of the image or of its mask.
    bfloat16 : bool
        Whether the network computes in bfloat16 instead of float32: several times faster on a
        processor with AMX, slower on one without.
    """

    threshold: float = 0.5
    cell_diameter: Optional[float] = None
    separate_touching: bool = True
    fill_holes: bool = True
    minimum_area: int = 50
    discard_border: bool = False
    bfloat16: bool = False

    def __post_init__(self):
        """Raise UserError where a value lies outside of its range."""
        if not 0 < self.threshold < 1:
            raise UserError(f"The threshold must lie between 0 and 1, not at {self.threshold}.")
        if self.cell_diameter is not None and not 1 <= self.cell_diameter < np.inf:
            raise UserError(f"The cell diameter must be 1 or more, not {self.cell_diameter}.")
        if not self.minimum_area >= 0:
            raise UserError(f"The smallest cell must have 0 or more, not {self.minimum_area}.")


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
    def classes(self):
        """Class of every pixel, that of the object it belongs to, uint8 (height, width)."""
        classes = np.full(self.cells.shape, BACKGROUND, dtype=np.uint8)
        classes[self.cells > 0] = BLOOD_CELL
        classes[self.spirochaetes > 0] = SPIROCHAETE
        return classes

    @cached_property
    def cell_probabilities(self):
        """Mean probability of blood cell over every cell, float (cells,)."""
        return objects.means(self.cells, self.probabilities[..., BLOOD_CELL])

    @cached_property
    def spirochaete_probabilities(self):
        """Mean probability of spirochaete over every spirochaete, float (spirochaetes,)."""
        return objects.means(self.spirochaetes, self.probabilities[..., SPIROCHAETE])


def segment_image(image, mask=None, options=SegmentationOptions(), weights=None):
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
    weights : str or Path, optional
        A weights file; the shipped one by default. Its classes must hold blood cells; classes
        other than blood cell and spirochaete count as background.

    Returns
    -------
    Segmentation

    Raises
    ------
    UserError
        The image is a stack, empty, or of a dtype without a known range, the mask is of another
        shape, the weights file does not fit, or TensorFlow is missing.
    """
    image = as_colour(image)
    valid = valid_pixels(image, mask)
    model = load_cell_model(weights, options.bfloat16)
    image = mirror_inside(image, valid)
    probabilities = _arranged(
        predict_probabilities(image, model, options.cell_diameter), model.class_names
    )
    probabilities[~valid] = np.eye(len(CLASSES))[BACKGROUND]
    return segment_probabilities(probabilities, valid, options)


def segment_probabilities(probabilities, valid, options):
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


def _labels(probabilities, valid, options):
    """Label images of spirochaetes and of blood cells."""
    classes = _pixel_classes(probabilities, options.threshold)
    classes[~valid] = BACKGROUND
    spirochaetes = objects.label_spirochaetes(classes == SPIROCHAETE)
    region = classes == BLOOD_CELL
    del classes  # a large image leaves no memory for what is done with
    return spirochaetes, objects.label_cells(region, probabilities[..., BLOOD_CELL], options)


def _pixel_classes(probabilities, threshold):
    """Classes of the pixels one by one, uint8 (height, width)."""
    odds = np.ones(len(CLASSES), dtype=np.float32)
    odds[BACKGROUND] = threshold / (1 - threshold)
    classes = np.empty(probabilities.shape[:2], dtype=np.uint8)
    for row, found in zip(classes, probabilities):
        row[:] = np.argmax(found * odds, axis=1)
    return classes


def load_cell_model(weights=None, bfloat16=False):
    """Load a model and check that it knows blood cells.

    Parameters
    ----------
    weights : str or Path, optional
    bfloat16 : bool

    Returns
    -------
    SegmentationModel

    Raises
    ------
    UserError
        The weights file is unusable, or of other classes.
    """
    model = load_model(weights, bfloat16=bfloat16)
    if CLASSES[BLOOD_CELL] not in model.class_names:
        raise UserError(
            f"{weights} holds weights for {', '.join(model.class_names)}, "
            f"but {CLASSES[BLOOD_CELL]} is needed: choose another file."
        )
    return model


def _arranged(probabilities, class_names):
    """Probabilities of CLASSES from those of a network with others or in another order."""
    if tuple(class_names) == CLASSES:
        return probabilities
    share = np.zeros((len(class_names), len(CLASSES)), dtype=np.float32)
    for index, name in enumerate(class_names):
        share[index, CLASSES.index(name) if name in CLASSES else BACKGROUND] = 1
    return probabilities @ share
