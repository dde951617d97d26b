"""Ratings as rows of focus.csv and patches.csv."""

from pathlib import Path
from typing import Iterator, List

import numpy as np

from focusqual.inference.model import FocusModel
from focusqual.inference.rating import PROBABILITIES, SUMMARY, FocusRating
from micrograph_networks.files.tables import number

FOCUS_COLUMNS = ("image", *SUMMARY, "model", "engine")
"""Of the ratings of images."""
PREDICTION_COLUMNS = (*FOCUS_COLUMNS, "folder")
"""Of focus.csv."""
PATCH_COLUMNS = (
    *("image", "row", "col", "y", "x", "height", "width"),
    *("level", "expected_level", "certainty", *PROBABILITIES),
)
"""Of patches.csv."""


def focus_row(image: str, rating: FocusRating, model: FocusModel) -> List[object]:
    """The rating of an image as a row.

    Parameters
    ----------
    image : str
        Its name.
    rating : FocusRating
    model : FocusModel
        That rated it.

    Returns
    -------
    list
        In the order of FOCUS_COLUMNS.
    """
    return [image, *(number(rating.summary[name]) for name in SUMMARY), model.name, model.engine]


def prediction_row(image: str, path: Path, rating: FocusRating, model: FocusModel) -> List[object]:
    """The row of an image in focus.csv.

    Parameters
    ----------
    image : str
        Its name.
    path : Path
        Of its file.
    rating : FocusRating
    model : FocusModel

    Returns
    -------
    list
        In the order of PREDICTION_COLUMNS.
    """
    return [*focus_row(image, rating, model), path.resolve().parent]


def patch_rows(image: str, rating: FocusRating) -> Iterator[List[object]]:
    """The rows of an image's patches in patches.csv, those that do not count left out.

    Yields
    ------
    list
        In the order of PATCH_COLUMNS.
    """
    places = np.ndindex(rating.counted.shape)
    for place, values in zip(places, zip(*rating.patch_table().values())):
        if rating.counted[place]:
            yield [image, *place, *rating.boxes[place], *map(number, values)]
