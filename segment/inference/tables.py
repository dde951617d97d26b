"""Objects as rows of cells.csv."""

from itertools import repeat
from typing import Iterable, Iterator, List, Tuple

import numpy as np

from micrograph_networks.files.tables import number
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
    "length",
    "mean_width",
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
        In the order of OBJECT_COLUMNS: y and x are those of the centroid, in pixels from the center
        of the first one; area, length and mean width are in pixels, too. Cells have no length and
        no mean width: these are empty.
    """
    for found in segmentation.by_class:
        height, width = found.labels.shape
        areas = objects.areas(found.labels)
        y = objects.sums(found.labels, np.arange(height)[:, None]) / areas
        x = objects.sums(found.labels, np.arange(width)) / areas
        lines: Iterable[Tuple[str, ...]] = repeat(("", ""))
        if found.lengths is not None:
            lines = (
                (number(length), number(width))
                for length, width in zip(found.lengths, found.widths)
            )
        objects_of_class = zip(y, x, areas, lines, found.means)
        for label, (row, col, area, line, mean) in enumerate(objects_of_class, 1):
            numbers = (number(row), number(col), area, *line, number(mean))
            yield [image, found.described.name, label, *numbers, model.name, model.engine]
