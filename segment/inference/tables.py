"""Rows of cells.csv, one for each object, and of images.csv, one for each image."""

from typing import Iterator, List, Sequence

import numpy as np

from micrograph_networks.files.tables import number
from segment.classes import NOTHING, PixelClass, in_names
from segment.inference.label_images import areas, means
from segment.inference.model import SegmentationModel
from segment.inference.segmentation import Segmentation

OBJECT_COLUMNS = (
    *("image", "class", "object_number", "center_x_px", "center_y_px", "area_px", "length_px"),
    *("mean_width_px", "mean_probability", "spirochaete_probability", "model", "engine"),
)
"""Column names of cells.csv."""


def object_rows(
    image: str, segmentation: Segmentation, model: SegmentationModel
) -> Iterator[List[object]]:
    """Yield the rows of the objects of an image, class by class.

    Parameters
    ----------
    image : str
        Name of the image.
    segmentation : Segmentation
    model : SegmentationModel
        Model that segmented the image.

    Yields
    ------
    list
        Values of OBJECT_COLUMNS. The object number is that of the pixels in the label image. The
        center of mass is measured from the center of the first pixel. Length and mean width of
        cells are empty, as is the probability of a spirochaete for other objects and for models
        without evidence.
    """
    for found in segmentation.by_class:
        sizes = areas(found.labels)
        y = means(found.labels, np.arange(found.labels.shape[0])[:, None])
        x = means(found.labels, np.arange(found.labels.shape[1]))
        # number() leaves NaN empty.
        lengths = widths = likely = np.full(len(sizes), np.nan)
        if found.lengths is not None:
            lengths, widths = found.lengths, found.widths
        if found.spirochaete_probabilities is not None:
            likely = found.spirochaete_probabilities
        measured = zip(sizes, x, y, lengths, widths, found.means, likely)
        for object_number, (area, *values) in enumerate(measured, 1):
            column, row, *others = map(number, values)
            numbers = [column, row, area, *others]
            yield [image, found.pixel_class.name, object_number, *numbers, model.name, model.engine]


def count_column(class_name: str) -> str:
    """Return the name of the column of images.csv with the number of objects of a class."""
    return f"{in_names(class_name)}s"


def image_columns(classes: Sequence[PixelClass]) -> List[str]:
    """Return the column names of images.csv for some classes."""
    found = [one for one in classes if one.kind != NOTHING]
    fractions = [f"{one.in_names}_area_fraction" for one in found]
    measured = ["presence_probability", "uncertainty", "dissimilarity", "model", "engine"]
    return ["image", *(count_column(one.name) for one in found), *fractions, *measured]


def image_row(image: str, segmentation: Segmentation, model: SegmentationModel) -> List[object]:
    """Return the row of an image.

    Parameters
    ----------
    image : str
        Name of the image.
    segmentation : Segmentation
    model : SegmentationModel
        Model that segmented the image.

    Returns
    -------
    list
        Values of :func:`image_columns`. Area fractions and the mean uncertainty are those of the
        pixels where objects may be. What the model does not measure is empty.
    """
    valid = segmentation.valid
    pixels = max(np.count_nonzero(valid), 1)
    found = segmentation.by_class
    measured = (
        *(np.count_nonzero(one.labels) / pixels for one in found),
        segmentation.presence_probability,
        segmentation.uncertainty.sum(where=valid, dtype=float) / pixels,
        segmentation.dissimilarity,
    )
    counts = [len(one.means) for one in found]
    return [image, *counts, *map(number, measured), model.name, model.engine]
