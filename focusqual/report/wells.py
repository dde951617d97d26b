"""Wells: their spellings in file names and tables, and the plates that contain them."""

import re
import string
from typing import Any, Mapping, NamedTuple, Optional, Tuple

ROWS = [*string.ascii_uppercase, *(f"A{letter}" for letter in "ABCDEF")]
"""Names of the rows of a plate, A to Z and AA to AF."""
PLATES = ((2, 3), (3, 4), (4, 6), (6, 8), (8, 12), (16, 24), (32, 48))
"""Rows and columns of plates with 6, 12, 24, 48, 96, 384 and 1536 wells."""
START = r"(?<![A-Za-z0-9])(?i:well)?"
DASH = r"(?: ?- ?)?"
PADDED = r"0?(?P<col>\d\d)"
SPELLINGS = tuple(
    re.compile(START + spelling)
    for spelling in (
        r"[Rr]0*(?P<row>\d\d?)[Cc]0*(?P<col>\d\d?)(?!\d)",  # r01c01f01
        # A01, A001, AA05, B-03, "A - 01(fld 1"; the letters after it are no end of a code.
        rf"(?P<row>A[A-F]|[A-P]){DASH}{PADDED}(?![0-9]|[A-Z](?!\d))",
        rf"(?P<row>[Q-Z]){DASH}{PADDED}(?![0-9]|[A-Z](?!\d))",
        rf"(?P<row>A[A-F]|[A-P]){DASH}(?P<col>\d)(?![A-Za-z0-9])",  # A1, "A - 1(fld 1"
        rf"(?P<row>(?i:A[A-F]|[A-P])){DASH}{PADDED}(?!\d)",  # b03, A01DAPI
        rf"(?P<row>[Q-Z]){DASH}(?P<col>\d)(?![A-Za-z0-9])",
    )
)
"""Spellings of wells, the most certain first: s1, w2, t03 and z05 are other parts of a file name,
and P1_A01 is the well A01 of the plate P1."""


class Well(NamedTuple):
    """A well that was found in a text.

    Attributes
    ----------
    row, col : int
        Position in the plate, from 0.
    before, after : str
        The text around it.
    """

    row: int
    col: int
    before: str
    after: str

    @property
    def name(self) -> str:
        """Name of the well, such as A01 or AF48."""
        return f"{ROWS[self.row]}{self.col + 1:02}"


def find_well(text: str) -> Optional[Well]:
    """Find the well in a file name or in a cell of a table.

    Parameters
    ----------
    text : str

    Returns
    -------
    Well or None
        The first one in the first of SPELLINGS that occurs; None if the text contains no well of
        a plate with up to 1536 wells.
    """
    for spelling in SPELLINGS:
        for match in spelling.finditer(text):
            row, col = match["row"].upper(), int(match["col"]) - 1
            number = int(row) - 1 if row.isdigit() else ROWS.index(row)
            if 0 <= number < len(ROWS) and 0 <= col < PLATES[-1][1]:
                return Well(number, col, text[: match.start()], text[match.end() :])
    return None


def plate_shape(images: Mapping[str, Any]) -> Tuple[int, int]:
    """Return the rows and columns of the smallest plate with the wells of ``row`` and ``col``."""
    row, col = images["row"].max(), images["col"].max()
    return next((rows, cols) for rows, cols in PLATES if row < rows and col < cols)
