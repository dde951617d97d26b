"""Rows of the tables focus.csv and patches.csv."""

from typing import Iterator, List

import numpy as np

from focusqual.inference.measurement import PATCH_TABLE, SUMMARY, FocusMeasurement
from focusqual.inference.model import FocusModel
from micrograph_networks.files.tables import number

FOCUS_COLUMNS = ("image", *SUMMARY, "model", "engine")
"""Columns of :func:`focus_row`; focus.csv also has folder, optics and position of each image."""
PATCH_COLUMNS = ("image", "row", "col", "y", "x", "height", "width", *PATCH_TABLE)
"""Columns of patches.csv."""


def focus_row(image: str, measurement: FocusMeasurement, model: FocusModel) -> List[object]:
    """Return the row of an image, in the order of FOCUS_COLUMNS.

    Parameters
    ----------
    image : str
        Name of the image.
    measurement : FocusMeasurement
    model : FocusModel
        Model that measured the image.
    """
    summary = [number(value) for value in measurement.summary.values()]
    return [image, *summary, model.name, model.engine]


def patch_rows(image: str, measurement: FocusMeasurement) -> Iterator[List[object]]:
    """Yield the rows of the patches that count, in the order of PATCH_COLUMNS."""
    grid = np.ndindex(measurement.counted.shape)
    for index, values in zip(grid, zip(*measurement.patch_table().values())):
        if measurement.counted[index]:
            yield [image, *index, *measurement.boxes[index], *map(number, values)]
