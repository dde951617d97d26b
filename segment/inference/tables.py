"""Objects as rows of cells.csv."""

from typing import Iterator, List

import numpy as np

from micrograph_networks.files.tables import number
from segment.classes import CLASSES
from segment.inference import objects
from segment.inference.model import SegmentationModel
from segment.inference.segmentation import Segmentation

OBJECT_COLUMNS = (
    "image",
    "class",
    "label",
    "y",
    "x",
    "area",
    "mean_probability",
    "model",
    "engine",
)
"""Of cells.csv."""


def object_rows(
    image: str, segmentation: Segmentation, model: SegmentationModel
) -> Iterator[List[object]]:
    """The rows of an image's objects, class by class.

    Parameters
    ----------
    image : str
        Its name.
    segmentation : Segmentation
    model : SegmentationModel
        That segmented it.

    Yields
    ------
    list
        In the order of OBJECT_COLUMNS: y and x are those of the centroid, in pixels from the centre
        of the first one, as the area is.
    """
    for found in segmentation.by_class():
        height, width = found.labels.shape
        areas = objects.areas(found.labels)
        y = objects.sums(found.labels, np.arange(height)[:, None]) / areas
        x = objects.sums(found.labels, np.arange(width)) / areas
        for label, (row, col, area, mean) in enumerate(zip(y, x, areas, found.means), 1):
            name = CLASSES[found.class_index]
            numbers = (number(row), number(col), area, number(mean))
            yield [image, name, label, *numbers, model.name, model.engine]
