"""Rows of cells.csv, one for each object."""

from typing import Iterator, List

import numpy as np

from micrograph_networks.files.tables import number
from segment.inference.label_images import areas, means
from segment.inference.model import SegmentationModel
from segment.inference.segmentation import Segmentation

OBJECT_COLUMNS = (
    *("image", "class", "object_number", "center_x_px", "center_y_px", "area_px", "length_px"),
    *("mean_width_px", "mean_probability", "model", "engine"),
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
        cells are empty.
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
        for object_number, (row, column, area, length, width, mean) in enumerate(measured, 1):
            center, line = [number(column), number(row)], [number(length), number(width)]
            numbers = [*center, area, *line, number(mean)]
            yield [image, found.pixel_class.name, object_number, *numbers, model.name, model.engine]
