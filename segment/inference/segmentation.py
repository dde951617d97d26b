"""Segment an image: pixels in, classes and numbered objects out."""

import functools
from dataclasses import dataclass
from functools import cached_property
from typing import Dict, Iterable, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from micrograph_networks.errors import UserError
from micrograph_networks.images.masking import mirror_inside, valid_pixels
from segment.classes import BACKGROUND, CELLS, FILAMENTS, NOTHING, PixelClass
from segment.inference import objects
from segment.inference.filaments import label_filaments
from segment.inference.model import SegmentationModel
from segment.inference.normalization import as_color
from segment.inference.options import SegmentationOptions
from segment.inference.prediction import mean_of_views, predict_probabilities
from segment.inference.scaling import working_scale


class ClassObjects(NamedTuple):
    """The objects of one class.

    Attributes
    ----------
    described : PixelClass
    class_index : int
        Of the class.
    labels : ndarray of int32, (height, width)
        0 outside of objects, which have 1, 2, ...
    all_labels : ndarray of int32, (height, width)
        The same with those that were left out at the border, with numbers of their own.
    probability : ndarray of float32, (height, width)
        Of the class, 0 to 1.
    means : ndarray of float, (objects,)
        Mean probability of every object: of a cell's pixels, or along a filament's middle line.
    lengths : ndarray of float, (objects,), or None
        Of filaments in pixels, along their middle lines.
    """

    described: PixelClass
    class_index: int
    labels: np.ndarray
    all_labels: np.ndarray
    probability: np.ndarray
    means: np.ndarray
    lengths: Optional[np.ndarray] = None

    @property
    def widths(self) -> np.ndarray:
        """Mean widths of filaments in pixels, their areas by their lengths, float (objects,)."""
        return objects.areas(self.labels) / self.lengths


@dataclass(frozen=True)
class Segmentation:
    """What was found in an image.

    Attributes
    ----------
    probabilities : ndarray of float32, (height, width, classes)
        Of the model's classes; sums to 1.
    by_class : tuple of ClassObjects
        Those of every class that becomes objects, in the order of the indices; no two objects share
        a pixel.
    """

    probabilities: np.ndarray
    by_class: Tuple[ClassObjects, ...]

    @cached_property
    def classes(self) -> np.ndarray:
        """Class of every pixel, that of the object it belongs to, uint8 (height, width)."""
        classes = np.full(self.probabilities.shape[:2], BACKGROUND, dtype=np.uint8)
        for found in self.by_class:
            classes[found.labels > 0] = found.class_index
        return classes

    def of_class(self, name: str) -> ClassObjects:
        """The objects of a class by its name, such as ``"blood cell"``.

        Parameters
        ----------
        name : str

        Returns
        -------
        ClassObjects

        Raises
        ------
        UserError
            There is no such class, or it becomes no objects.
        """
        known = {found.described.name: found for found in self.by_class}
        if name not in known:
            raise UserError(f"Its model finds no {name}: choose one of {', '.join(known)}.")
        return known[name]


def segment_image(
    image: np.ndarray,
    model: SegmentationModel,
    mask: Optional[np.ndarray] = None,
    options: SegmentationOptions = SegmentationOptions(),
) -> Segmentation:
    """Find cells and filaments, such as blood cells and spirochaetes.

    Parameters
    ----------
    image : ndarray, (height, width) or (height, width, 1 to 4)
        Gray or color of any bit depth, as :func:`segment.inference.normalization.to_rgb` takes it.
        Pixels that are NaN or infinite are treated as if they lay outside of the mask.
    model : SegmentationModel
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
    image = as_color(image)
    valid = valid_pixels(image, mask)
    image = mirror_inside(image, valid)
    predict = mean_of_views if options.mirrored_views else predict_probabilities
    probabilities = predict(image, model, options.cell_diameter)
    probabilities[~valid] = np.eye(len(model.classes))[BACKGROUND]
    scale = working_scale(image.shape, model, options.cell_diameter)
    return segment_probabilities(probabilities, valid, model.classes, scale, options)


def segment_probabilities(
    probabilities: np.ndarray,
    valid: np.ndarray,
    classes: Sequence[PixelClass],
    scale: float,
    options: SegmentationOptions,
) -> Segmentation:
    """Make objects of probabilities.

    A pixel belongs to the most probable of all classes but the background where that reaches the
    threshold against background; at a threshold of 0.5 this is the most probable class.

    Parameters
    ----------
    probabilities : ndarray of float32, (height, width, classes)
    valid : ndarray of bool, (height, width)
        Where objects may be.
    classes : sequence of PixelClass
    scale : float
        Pixels at the scale at which the network works of a pixel of the image.
    options : SegmentationOptions

    Returns
    -------
    Segmentation
    """
    regions = _regions(probabilities, valid, classes, options.threshold)
    filaments = [index for index in regions if classes[index].kind == FILAMENTS]
    cells = [index for index in regions if classes[index].kind == CELLS]
    crossed = _united((regions[index] for index in cells), valid.shape)
    found: Dict[int, ClassObjects] = {}
    for index in filaments:
        probability = probabilities[..., index]
        labels, lengths, means = label_filaments(
            regions.pop(index), probability, crossed, scale, options
        )
        found[index] = ClassObjects(
            classes[index], index, labels, labels, probability, means, lengths
        )
    del crossed
    for index in cells:
        # A hole may be filled that is no background.
        taken = _united((one.all_labels > 0 for one in found.values()), valid.shape)
        probability = probabilities[..., index]
        all_labels = objects.label_cells(regions.pop(index), probability, options)
        all_labels[taken | ~valid] = 0
        objects.keep(all_labels, _sure(all_labels, probability, options.minimum_probability))
        labels = objects.discard_border(all_labels, valid) if options.discard_border else all_labels
        means = objects.means(labels, probability)
        found[index] = ClassObjects(classes[index], index, labels, all_labels, probability, means)
    return Segmentation(probabilities, tuple(found[index] for index in sorted(found)))


def _regions(
    probabilities: np.ndarray, valid: np.ndarray, classes: Sequence[PixelClass], threshold: float
) -> Dict[int, np.ndarray]:
    """Pixels of every class that becomes objects, bool (height, width), by index."""
    indices = most_probable_classes(probabilities, threshold)
    indices[~valid] = BACKGROUND
    return {index: indices == index for index, one in enumerate(classes) if one.kind != NOTHING}


def _united(regions: Iterable[np.ndarray], shape: Tuple[int, ...]) -> np.ndarray:
    return functools.reduce(np.logical_or, regions, np.zeros(shape, dtype=bool))


def _sure(labels: np.ndarray, probability: np.ndarray, least: float) -> np.ndarray:
    """Whether the mean probability of an object's pixels reaches the least, bool (count,)."""
    sizes = objects.areas(labels)
    return (sizes > 0) & (objects.sums(labels, probability) >= least * sizes)


def most_probable_classes(probabilities: np.ndarray, threshold: float) -> np.ndarray:
    """Classes of the pixels one by one, whatever objects were made of them.

    Parameters
    ----------
    probabilities : ndarray of float32, (height, width, classes)
    threshold : float
        As in :class:`SegmentationOptions`.

    Returns
    -------
    ndarray of uint8, (height, width)
    """
    odds = np.ones(probabilities.shape[2], dtype=np.float32)
    odds[BACKGROUND] = threshold / (1 - threshold)
    classes = np.empty(probabilities.shape[:2], dtype=np.uint8)
    for row, found in zip(classes, probabilities):
        row[:] = np.argmax(found * odds, axis=1)
    return classes
