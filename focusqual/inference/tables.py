"""Measurements as rows of focus.csv and patches.csv."""

from pathlib import Path
from typing import Iterator, List

import numpy as np

from focusqual.inference.measurement import PROBABILITIES, SUMMARY, FocusMeasurement
from focusqual.inference.model import FocusModel
from micrograph_networks.files.tables import number

FOCUS_COLUMNS = ("image", *SUMMARY, "model", "engine")
"""Of the measurements of images."""
PREDICTION_COLUMNS = (*FOCUS_COLUMNS, "folder")
"""Of focus.csv."""
PATCH_COLUMNS = (
    *("image", "row", "col", "y", "x", "height", "width"),
    *("level", "expected_level", "certainty", *PROBABILITIES),
)
"""Of patches.csv."""


def focus_row(image: str, measurement: FocusMeasurement, model: FocusModel) -> List[object]:
    """The measurement of an image as a row.

    Parameters
    ----------
    image : str
        Its name.
    measurement : FocusMeasurement
    model : FocusModel
        That measured it.

    Returns
    -------
    list
        In the order of FOCUS_COLUMNS.
    """
    return [
        image,
        *(number(measurement.summary[name]) for name in SUMMARY),
        model.name,
        model.engine,
    ]


def prediction_row(
    image: str, path: Path, measurement: FocusMeasurement, model: FocusModel
) -> List[object]:
    """The row of an image in focus.csv.

    Parameters
    ----------
    image : str
        Its name.
    path : Path
        Of its file.
    measurement : FocusMeasurement
    model : FocusModel

    Returns
    -------
    list
        In the order of PREDICTION_COLUMNS.
    """
    return [*focus_row(image, measurement, model), path.resolve().parent]


def patch_rows(image: str, measurement: FocusMeasurement) -> Iterator[List[object]]:
    """The rows of an image's patches in patches.csv, those that do not count left out.

    Yields
    ------
    list
        In the order of PATCH_COLUMNS.
    """
    places = np.ndindex(measurement.counted.shape)
    for place, values in zip(places, zip(*measurement.patch_table().values())):
        if measurement.counted[place]:
            yield [image, *place, *measurement.boxes[place], *map(number, values)]
