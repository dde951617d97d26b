"""Ratings as rows of focus.csv and patches.csv."""

from focusqual.inference.rating import SUMMARY
from focusqual.simulation.optics import LEVELS
from micrograph_networks.files.tables import number

PROBABILITIES = [f"p{level}" for level in range(LEVELS)]
FOCUS_COLUMNS = ["image", *SUMMARY]
PATCH_COLUMNS = [
    *("image", "row", "col", "y", "x", "height", "width"),
    *("level", "expected_level", "certainty"),
    *PROBABILITIES,
]


def focus_row(image, rating):
    """The row of an image in focus.csv.

    Parameters
    ----------
    image : str
        Its name.
    rating : FocusRating

    Returns
    -------
    list
        In the order of FOCUS_COLUMNS.
    """
    return [image, *(number(rating.summary[name]) for name in SUMMARY)]


def patch_rows(image, rating):
    """The rows of an image's patches in patches.csv, those that do not count left out.

    Returns
    -------
    iterator of list
        In the order of PATCH_COLUMNS.
    """
    rows, cols = rating.counted.shape
    for row in range(rows):
        for col in range(cols):
            if rating.counted[row, col]:
                place = (row, col)
                figures = (rating.expected_level[place], rating.certainty[place])
                yield [
                    *(image, row, col, *rating.boxes[place], rating.level[place]),
                    *(number(value) for value in (*figures, *rating.probabilities[place])),
                ]
