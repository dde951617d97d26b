"""Tables as CSV."""

import contextlib
import csv
from pathlib import Path
from typing import Any, Iterator, Sequence

from micrograph_networks.files.writing import whole_file


@contextlib.contextmanager
def csv_table(path: Path, columns: Sequence[str]) -> Iterator[Any]:
    """Open a CSV that appears when the block ends without an error.

    Parameters
    ----------
    path : Path
    columns : list of str

    Yields
    ------
    csv.writer
    """
    with whole_file(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        yield writer


def number(value: float) -> str:
    """A number as a table shows it: six digits, empty for NaN."""
    return "" if value != value else f"{value:.6g}"
