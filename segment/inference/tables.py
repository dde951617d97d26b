"""Objects as rows of cells.csv."""

import numpy as np

from micrograph_networks.files.tables import number
from segment.classes import BLOOD_CELL, CLASSES, SPIROCHAETE
from segment.inference import objects

OBJECT_COLUMNS = ["image", "class", "label", "y", "x", "area", "mean_probability"]


def object_rows(image, segmentation):
    """The rows of an image's objects: blood cells, then spirochaetes.

    Parameters
    ----------
    image : str
        Its name.
    segmentation : Segmentation

    Yields
    ------
    list
        In the order of OBJECT_COLUMNS: y and x are those of the centroid, in pixels from the centre
        of the first one, as the area is.
    """
    for index, labels, probabilities in (
        (BLOOD_CELL, segmentation.cells, segmentation.cell_probabilities),
        (SPIROCHAETE, segmentation.spirochaetes, segmentation.spirochaete_probabilities),
    ):
        height, width = labels.shape
        areas = objects.areas(labels)
        y = objects.sums(labels, np.arange(height)[:, None]) / areas
        x = objects.sums(labels, np.arange(width)) / areas
        figures = zip(y, x, areas, probabilities)
        for label, (y, x, area, probability) in enumerate(figures, 1):
            yield [image, CLASSES[index], label, number(y), number(x), area, number(probability)]
