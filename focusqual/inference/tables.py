"""Rows of the tables focus.csv and patches.csv."""

import math
from typing import Any, Iterable, Iterator, List, Tuple

import numpy as np

from focusqual.inference.measurement import PATCH_TABLE, FocusMeasurement, summary_names
from focusqual.inference.model import FocusModel
from micrograph_networks.files.tables import number
from micrograph_networks.images.positions import Position

PATCH_COLUMNS = (
    *("image", "row", "col", "top_px", "left_px", "height_px", "width_px"),
    *PATCH_TABLE,
)
"""Columns of patches.csv."""
ATTRIBUTE = "focusqual"
"""Attribute of the group of an OME-Zarr image."""


def focus_columns(has_optics: bool) -> Tuple[str, ...]:
    """Return the columns of :func:`focus_row`, if the options specify the optics or if not.

    focus.csv also has folder, optics and position of each image.
    """
    return ("image", *summary_names(has_optics), "model", "engine")


def focus_row(image: str, measurement: FocusMeasurement, model: FocusModel) -> List[object]:
    """Return the row of an image, in the order of :func:`focus_columns`.

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


def focus_attribute(planes: Iterable[Tuple[Position, FocusMeasurement]], model: FocusModel) -> Any:
    """Return the focus of the planes of an OME-Zarr image, for the attributes of its group.

    Parameters
    ----------
    planes : iterable of (Position, FocusMeasurement)
    model : FocusModel
        Model that measured the planes.
    """
    records = []
    for position, measurement in planes:
        record = {
            name: position[name] for name in ("timepoint", "channel", "z") if name in position
        }
        for name in ("score", "expected_level", "certainty"):
            value = float(measurement.summary[name])
            record[name] = round(value, 6) if math.isfinite(value) else None
        records.append(record)
    return {"model": model.name, "planes": records}


def patch_rows(image: str, measurement: FocusMeasurement) -> Iterator[List[object]]:
    """Yield the rows of the patches that count, in the order of PATCH_COLUMNS."""
    grid = np.ndindex(measurement.counted.shape)
    for index, values in zip(grid, zip(*measurement.patch_table().values())):
        if measurement.counted[index]:
            yield [image, *index, *measurement.boxes[index], *map(number, values)]
