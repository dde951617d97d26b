"""Wells: their spellings in file names and tables, and the plates that contain them."""

import re
import string
from typing import Any, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Tuple

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
    """Find the well in a cell of a table; None if there is none. See :func:`find_wells`."""
    return next(_possible_wells(text), None)


def find_wells(names: Iterable[str]) -> List[Optional[Well]]:
    """Find the well in each file name of a table.

    If most names contain several, such as B16_E05 with a cell line and P24_A01 with a plate, the
    well is the one whose row varies most.

    Parameters
    ----------
    names : iterable of str

    Returns
    -------
    list of Well or None
        By default the first one in the first of SPELLINGS that occurs; None if the name contains no
        well of a plate with up to 1536 wells.
    """
    possible = [list(_possible_wells(name)) for name in names]
    counts = sorted(len(wells) for wells in possible if wells)
    usual = counts[len(counts) // 2] if counts else 1
    rows = [
        len({wells[place].row for wells in possible if place < len(wells)})
        for place in range(usual)
    ]
    chosen = rows.index(max(rows))
    return [wells[chosen] if chosen < len(wells) else None for wells in possible]


def _possible_wells(text: str) -> Iterator[Well]:
    """Yield all parts of a text that look like wells, the most certain first."""
    starts = set()
    for spelling in SPELLINGS:
        for match in spelling.finditer(text):
            row, col = match["row"].upper(), int(match["col"]) - 1
            number = int(row) - 1 if row.isdigit() else ROWS.index(row)
            is_well = 0 <= number < len(ROWS) and 0 <= col < PLATES[-1][1]
            if is_well and match.start() not in starts:
                starts.add(match.start())
                yield Well(number, col, text[: match.start()], text[match.end() :])


def plate_shape(images: Mapping[str, Any]) -> Tuple[int, int]:
    """Return the rows and columns of the smallest plate with the wells of ``row`` and ``col``."""
    row, col = images["row"].max(), images["col"].max()
    return next((rows, cols) for rows, cols in PLATES if row < rows and col < cols)
