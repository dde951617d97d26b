"""Segment an image: pixels in, classes and label images of objects out."""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Dict, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from scipy.special import entr

from micrograph_networks.errors import UserError
from micrograph_networks.images.gray import plain_array, without_offset
from micrograph_networks.images.masking import mirror_inside, valid_pixels
from segment.classes import BACKGROUND, CELLS, FILAMENTS, PixelClass
from segment.inference import label_images
from segment.inference.cells import label_cells, with_crossings
from segment.inference.evidence import JUDGED, Evidence, Surroundings, judge_filaments
from segment.inference.field import picture_area, unblended
from segment.inference.filaments import label_filaments
from segment.inference.model import SegmentationModel
from segment.inference.normalization import Exposure, as_color, measure_exposure
from segment.inference.options import SegmentationOptions
from segment.inference.prediction import (
    image_dissimilarity,
    mean_of_views,
    predict_probabilities,
)
from segment.inference.scaling import working_scale


class ClassObjects(NamedTuple):
    """The objects of one class.

    Attributes
    ----------
    pixel_class : PixelClass
    class_index : int
        Index of the class.
    labels : ndarray of int32, (height, width)
        Label image of the objects: 0 is background, the objects are 1, 2, ...
    all_labels : ndarray of int32, (height, width)
        Label image of the same objects and those that were discarded at the border, numbered
        independently.
    probability : ndarray of float32, (height, width)
        Probability of the class, 0 to 1.
    means : ndarray of float, (objects,)
        Mean probability of every object, over the pixels of a cell or along the skeleton of a
        filament.
    lengths : ndarray of float, (objects,), or None
        Lengths of filaments along their skeletons in pixels. Cells have none.
    features : ndarray of float, (objects, features), or None
        Result of :func:`segment.inference.evidence.filament_features` for spirochaetes, if the
        model has evidence.
    spirochaete_probabilities : ndarray of float, (objects,), or None
        Probability that a person would call each spirochaete one, NaN if the model has no evidence;
        None for other classes.
    """

    pixel_class: PixelClass
    class_index: int
    labels: np.ndarray
    all_labels: np.ndarray
    probability: np.ndarray
    means: np.ndarray
    lengths: Optional[np.ndarray] = None
    features: Optional[np.ndarray] = None
    spirochaete_probabilities: Optional[np.ndarray] = None

    @property
    def widths(self) -> np.ndarray:
        """Mean widths of filaments in pixels: area divided by length, float (objects,)."""
        return label_images.areas(self.labels) / self.lengths


@dataclass(frozen=True)
class Segmentation:
    """The result for an image.

    Attributes
    ----------
    probabilities : ndarray of float32, (height, width, classes)
        Probabilities of the model's classes, which sum to 1.
    by_class : tuple of ClassObjects
        Objects of every class that forms objects, in the order of the class indices. No two objects
        share a pixel.
    valid : ndarray of bool, (height, width)
        True where objects may be.
    presence_probability : float
        Probability that the image shows a spirochaete; NaN if the model has no evidence.
    dissimilarity : float
        How unlike the training images the image looks: 1 or less for 95 percent of the training
        images; NaN if unknown. See :func:`segment.inference.dissimilarity.dissimilarity`.
    """

    probabilities: np.ndarray
    by_class: Tuple[ClassObjects, ...]
    valid: np.ndarray
    presence_probability: float = math.nan
    dissimilarity: float = math.nan

    @cached_property
    def classes(self) -> np.ndarray:
        """Class index of the object at every pixel, uint8 (height, width)."""
        classes = np.full(self.probabilities.shape[:2], BACKGROUND, dtype=np.uint8)
        for found in self.by_class:
            classes[found.labels > 0] = found.class_index
        return classes

    @cached_property
    def uncertainty(self) -> np.ndarray:
        """Entropy of the probabilities divided by its maximum, float32 (height, width).

        0 is certain, as are pixels outside of the mask; 1 means that all classes are equally
        probable.
        """
        uncertainty = np.empty(self.probabilities.shape[:2], dtype=np.float32)
        for rows in label_images.row_blocks(uncertainty):
            uncertainty[rows] = entr(self.probabilities[rows]).sum(axis=2)
        return np.divide(uncertainty, np.log(self.probabilities.shape[2]), out=uncertainty)

    def of_class(self, name: str) -> ClassObjects:
        """Return the objects of a class by its name, such as ``"blood cell"``.

        Parameters
        ----------
        name : str

        Raises
        ------
        UserError
            There is no such class, or it forms no objects.
        """
        known = {found.pixel_class.name: found for found in self.by_class}
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
    image : array_like, (height, width) or (height, width, 1 to 4)
        Gray or color image of any exposure and bit depth:
        see :func:`segment.inference.normalization.measure_exposure`.
        Pixels that are NaN or infinite, or masked in a masked array of ``numpy.ma``, and margins
        around the picture, by :func:`segment.inference.field.picture_area`, count as outside of
        the mask.
    model : SegmentationModel
    mask : ndarray of bool, (height, width), optional
        True where objects are searched; everywhere by default. Pixels outside have no influence:
        they are replaced by a mirror image of the pixels inside.
    options : SegmentationOptions

    Raises
    ------
    UserError
        The image is a stack or empty, the mask has another shape, the memory is too small, or the
        network returns NaN.
    """
    pixels, own_mask = plain_array(image)
    image, _ = without_offset(as_color(pixels))
    inside = valid_pixels(image, mask, own_mask)
    valid = picture_area(image, inside)
    image = mirror_inside(image, unblended(valid, inside))
    scale = working_scale(image.shape, model, options.cell_diameter)
    predict = mean_of_views if options.mirrored_views else predict_probabilities
    exposure = measure_exposure(as_color(image))
    probabilities = predict(image, model, scale, exposure)
    probabilities[~valid] = np.eye(len(model.classes))[BACKGROUND]
    evidence = (image, exposure, model.evidence) if model.evidence else None
    found = segment_probabilities(probabilities, valid, model.classes, scale, options, evidence)
    return replace(found, dissimilarity=image_dissimilarity(image, model, scale, exposure))


def segment_probabilities(
    probabilities: np.ndarray,
    valid: np.ndarray,
    classes: Sequence[PixelClass],
    scale: float,
    options: SegmentationOptions,
    evidence: Optional[Tuple[np.ndarray, Exposure, Evidence]] = None,
) -> Segmentation:
    """Find the objects in class probabilities.

    Parameters
    ----------
    probabilities : ndarray of float32, (height, width, classes)
    valid : ndarray of bool, (height, width)
        True where objects may be.
    classes : sequence of PixelClass
    scale : float
        Factor from pixels of the image to pixels at the working scale.
    options : SegmentationOptions
    evidence : (ndarray, Exposure, Evidence), optional
        The image, its exposure, and what decides on spirochaetes in place of their mean
        probability.
    """
    indices = most_probable_classes(probabilities, options.threshold)
    indices[~valid] = BACKGROUND
    cells = [index for index, one in enumerate(classes) if one.kind == CELLS]
    filaments = [index for index, one in enumerate(classes) if one.kind == FILAMENTS]
    crossed = np.zeros(valid.shape, dtype=bool)
    for index in cells:
        crossed |= indices == index
    found: Dict[int, ClassObjects] = {}
    taken, presence = ~valid, math.nan
    for index in filaments:
        region, probability = indices == index, probabilities[..., index]
        measured: Sequence[Optional[np.ndarray]] = ()
        if evidence and classes[index].name == JUDGED:
            image, exposure, fitted = evidence
            around = Surroundings(image, exposure, probability, crossed, valid, scale)
            judged = judge_filaments(region, around, fitted, options)
            labels, lengths, means = judged.filaments
            presence, *measured = judged[1:]
        else:
            labels, lengths, means = label_filaments(region, probability, crossed, scale, options)
            if classes[index].name == JUDGED:
                measured = None, np.full(len(means), np.nan)
        found[index] = ClassObjects(
            classes[index], index, labels, labels, probability, means, lengths, *measured
        )
        taken |= labels > 0
    del crossed
    crossing = taken & valid
    for index in cells:
        probability = probabilities[..., index]
        all_labels = label_cells(with_crossings(indices == index, crossing), options)
        # Holes are filled, and filaments cross cells.
        all_labels[taken] = 0
        label_images.keep(all_labels, _is_sure(all_labels, probability, options))
        labels = all_labels
        if options.discard_border:
            labels = label_images.discard_border(all_labels, valid)
        means = label_images.means(labels, probability)
        found[index] = ClassObjects(classes[index], index, labels, all_labels, probability, means)
        taken |= all_labels > 0
    by_class = tuple(found[index] for index in sorted(found))
    return Segmentation(probabilities, by_class, valid, presence)


def _is_sure(
    labels: np.ndarray, probability: np.ndarray, options: SegmentationOptions
) -> np.ndarray:
    """Return True for objects with pixels whose mean probability is sufficient, bool (count,)."""
    areas = label_images.areas(labels)
    sums = label_images.sums(labels, probability)
    return (areas > 0) & (sums >= options.minimum_probability * areas)


def most_probable_classes(probabilities: np.ndarray, threshold: float) -> np.ndarray:
    """Return the class of each pixel, regardless of objects.

    A pixel belongs to the most probable class other than the background if that reaches the
    threshold against background. At a threshold of 0.5 this is the most probable class.

    Parameters
    ----------
    probabilities : ndarray of float32, (height, width, classes)
    threshold : float
        Probability threshold of :class:`SegmentationOptions`.

    Returns
    -------
    ndarray of uint8, (height, width)
        Class indices.
    """
    odds = np.ones(probabilities.shape[2], dtype=np.float32)
    odds[BACKGROUND] = threshold / (1 - threshold)
    classes = np.empty(probabilities.shape[:2], dtype=np.uint8)
    for row, found in zip(classes, probabilities):
        row[:] = np.argmax(found * odds, axis=1)
    return classes
