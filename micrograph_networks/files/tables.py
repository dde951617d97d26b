"""Tables as CSV or Parquet."""

import contextlib
import csv
import numbers
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Sequence

from micrograph_networks.errors import UserError
from micrograph_networks.files.writing import atomic_write

FORMATS = ("csv", "parquet")
"""Suffixes of the tables that users may choose."""
TEXT = (
    *("image", "folder", "file", "well", "field", "channel_name"),
    *("class", "model", "engine"),
)
"""Columns of text; all others hold numbers."""
ROWS_AT_ONCE = 100_000
"""Of a Parquet file: what is kept in memory and written as a group."""


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
    with atomic_write(path) as temporary, open(
        temporary, "w", newline="", encoding="utf-8"
    ) as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        yield writer


@contextlib.contextmanager
def table(path: Path, columns: Sequence[str]) -> Iterator[Any]:
    """Open a table, in the format of its suffix, that appears when the block ends without an error.

    Parameters
    ----------
    path : Path
        Its suffix is one of FORMATS.
    columns : list of str
        Those of TEXT hold text; the others whole numbers, given as such, or any numbers, given as
        :func:`number` shows them.

    Yields
    ------
    object
        With csv.writer's methods writerow and writerows.

    Raises
    ------
    UserError
        pyarrow is not installed, which Parquet needs, or the file cannot be written.
    """
    if path.suffix == ".csv":
        with csv_table(path, columns) as writer:
            yield writer
        return
    try:
        import pyarrow.parquet
    except ImportError:
        raise UserError(
            "Parquet needs pyarrow: install it with "
            "'pip install \"cellprofiler-focus-darkfield[parquet]\"', or choose the format csv."
        ) from None
    with atomic_write(path) as temporary:
        rows = _ParquetRows(pyarrow, temporary, columns)
        try:
            yield rows
            rows.write()
        finally:
            rows.close()


def read_csv(path: Path, columns: Sequence[str], wanted: str) -> List[Dict[str, str]]:
    """Read a CSV that a user gave.

    Parameters
    ----------
    path : Path
    columns : sequence of str
        That it must have.
    wanted : str
        What to give instead, for the messages, such as "a focus.csv".

    Returns
    -------
    list of dict of str to str
        A row each, one at least; cells that a short row lacks are empty.

    Raises
    ------
    UserError
        It does not exist, is no table, is empty, or lacks a column.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, restval=""))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: check the path.") from None
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{path} cannot be read as a table: give {wanted}.") from error
    if not rows:
        raise UserError(f"{path} has no rows: give {wanted}.")
    lacking = [column for column in columns if column not in rows[0]]
    if lacking:
        raise UserError(f"{path} has no column {lacking[0]}: give {wanted}.")
    return rows


class _ParquetRows:
    """Rows on their way to a Parquet file; the first ones tell which numbers are whole."""

    def __init__(self, arrow: Any, path: Path, columns: Sequence[str]):
        self._arrow, self._path, self._columns = arrow, path, columns
        self._rows: List[Sequence[Any]] = []
        self._writer: Any = None

    def writerow(self, row: Sequence[Any]) -> None:
        self._rows.append(row)
        if len(self._rows) == ROWS_AT_ONCE:
            self.write()

    def writerows(self, rows: Iterable[Sequence[Any]]) -> None:
        for row in rows:
            self.writerow(row)

    def write(self) -> None:
        values = list(zip(*self._rows)) or [()] * len(self._columns)
        if self._writer is None:
            schema = self._arrow.schema(list(map(self._field, self._columns, values)))
            self._writer = self._arrow.parquet.ParquetWriter(self._path, schema)
        arrays = [
            self._arrow.array(map(_reader(name), column), field.type)
            for name, column, field in zip(self._columns, values, self._writer.schema)
        ]
        self._writer.write_table(self._arrow.Table.from_arrays(arrays, schema=self._writer.schema))
        self._rows = []

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def _field(self, name: str, values: Sequence[Any]) -> Any:
        whole = values and all(isinstance(value, numbers.Integral) for value in values)
        number = self._arrow.int64() if whole else self._arrow.float64()
        return self._arrow.field(name, self._arrow.string() if name in TEXT else number)


def _reader(name: str) -> Callable[[Any], Any]:
    """What brings a value of a column to its type; an empty number is none."""
    if name in TEXT:
        return str
    return lambda value: None if value == "" else float(value)


def number(value: float) -> str:
    """A number as a table shows it: six digits, empty for NaN."""
    return "" if value != value else f"{value:.6g}"
