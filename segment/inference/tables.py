"""Rows of cells.csv, one for each object."""

from typing import Iterator, List

import numpy as np

from micrograph_networks.files.tables import number
from segment.inference.label_images import areas, means
from segment.inference.model import SegmentationModel
from segment.inference.segmentation import Segmentation

OBJECT_COLUMNS = (
    *("image", "class", "label", "y", "x", "area", "length", "mean_width", "mean_probability"),
    *("model", "engine"),
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
        Values of OBJECT_COLUMNS. y and x are the center of mass in pixels from the center of the
        first pixel; area, length and mean width are in pixels. Length and mean width of cells are
        empty.
    """
    for found in segmentation.by_class:
        sizes = areas(found.labels)
        y = means(found.labels, np.arange(found.labels.shape[0])[:, None])
        x = means(found.labels, np.arange(found.labels.shape[1]))
        # number() leaves NaN empty.
        lengths = widths = np.full(len(sizes), np.nan)
        if found.lengths is not None:
            lengths, widths = found.lengths, found.widths
        measured = zip(y, x, sizes, lengths, widths, found.means)
        for label, (row, column, area, length, width, mean) in enumerate(measured, 1):
            center, line = [number(row), number(column)], [number(length), number(width)]
            numbers = [*center, area, *line, number(mean)]
            yield [image, found.pixel_class.name, label, *numbers, model.name, model.engine]
