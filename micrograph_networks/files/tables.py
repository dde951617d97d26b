"""Tables in CSV and Parquet files."""

import contextlib
import csv
import re
from pathlib import Path
from typing import Any, BinaryIO, Callable, Dict, Iterable, Iterator, List, Optional, Sequence

from micrograph_networks.errors import UserError
from micrograph_networks.files.writing import atomic_write

FORMATS = ("csv", "parquet")
"""Suffixes of the formats of tables that users can choose."""
TEXT = (
    *("image", "folder", "file", "well", "field", "series", "channel_name", "pictures"),
    *("class", "model", "engine", "time"),
)
"""Columns of text; all others are numbers."""
ROWS_AT_ONCE = 100_000
"""Number of rows that are kept in memory and written to a Parquet file at a time."""


@contextlib.contextmanager
def csv_table(path: Path, columns: Sequence[str]) -> Iterator[Any]:
    """Open a CSV for writing. The file is complete, or does not appear.

    Characters that UTF-8 does not have are written as :func:`escaped` returns them.

    Parameters
    ----------
    path : Path
    columns : sequence of str
        Heading of the table.

    Yields
    ------
    csv.writer
    """
    with atomic_write(path) as temporary, open(
        temporary, "w", newline="", encoding="utf-8", errors="backslashreplace"
    ) as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        yield writer


@contextlib.contextmanager
def table(path: Path, columns: Sequence[str]) -> Iterator[Any]:
    """Open a table for writing. The file is complete, or does not appear.

    Parameters
    ----------
    path : Path
        The suffix is one of FORMATS.
    columns : sequence of str
        Heading of the table. Values of other columns than TEXT are integers, or texts as
        :func:`number` returns them.

    Yields
    ------
    object
        Writer with the methods writerow and writerows of csv.writer.

    Raises
    ------
    UserError
        The file cannot be written, or pyarrow, which Parquet needs, is not installed.
    """
    if path.suffix == ".csv":
        with csv_table(path, columns) as writer:
            yield writer
        return
    pyarrow_parquet()
    # pyarrow opens no paths that are not UTF-8.
    with atomic_write(path) as temporary, open(temporary, "wb") as file, contextlib.closing(
        _ParquetWriter(file, columns)
    ) as rows:
        yield rows
        rows.write()


def pyarrow_parquet() -> Any:
    """Return the module pyarrow.parquet, or raise UserError if it is not installed."""
    try:
        import pyarrow.parquet
    except ImportError:
        raise UserError(
            "Parquet needs pyarrow: install it with "
            "'pip install \"cellprofiler-focus-darkfield[parquet]\"', or choose the format csv."
        ) from None
    return pyarrow.parquet


def read_csv(
    path: Path,
    columns: Sequence[str],
    wanted: str,
    is_used: Optional[Callable[[str], bool]] = None,
) -> List[Dict[str, str]]:
    """Read a CSV that a user chose.

    Parameters
    ----------
    path : Path
    columns : sequence of str
        Required columns.
    wanted : str
        Expected file for the error messages, such as "a focus.csv".
    is_used : callable, optional
        Function of the name of a column; False leaves it out, which saves memory.

    Returns
    -------
    list of dict of str to str
        At least one row. Missing cells at the end of a row are empty.

    Raises
    ------
    UserError
        The file does not exist, is not a table with commas, is empty, lacks a column, has two
        columns of the same name, or has a row with more cells than the heading.
    """
    rows = []
    try:
        # Bytes of file names that are not UTF-8 stay, so that the files are found.
        with open(path, newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
            # Otherwise a quotation mark without its partner would hide all rows after it.
            reader = csv.DictReader(file, restval="", strict=True)
            used = _used_columns(path, reader.fieldnames or [], is_used)
            for row in reader:
                if None in row:  # the key of the cells without heading
                    raise UserError(
                        f"{path}: line {reader.line_num} has more cells than the heading: "
                        "quote cells that contain a comma."
                    )
                rows.append({name: row[name] for name in used})
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: check the path.") from None
    except (OSError, ValueError, csv.Error) as error:
        if path.is_dir():
            raise UserError(f"{path} is a folder: give {wanted}.") from None
        raise UserError(f"{path} cannot be read as a table: give {wanted}.") from error
    if not rows:
        raise UserError(f"{path} has no rows: give {wanted}.")
    for column in columns:
        if column not in rows[0]:
            raise UserError(f"{path} has no column {column}: give {wanted}.")
    return rows


def _used_columns(
    path: Path, columns: Sequence[str], is_used: Optional[Callable[[str], bool]]
) -> List[str]:
    """Return the columns to read; raise UserError if they are ambiguous."""
    if len(columns) == 1 and re.search("[;\t]", columns[0]):
        raise UserError(
            f"{path} has semicolons or tabs between its columns: save it with commas, and with "
            "points in numbers."
        )
    used = [name for name in columns if name and (is_used is None or is_used(name))]
    for name in used:
        if used.count(name) > 1:
            raise UserError(f"{path} has several columns {name}: rename or remove all but one.")
    return used


class _ParquetWriter:
    """Writer of a Parquet file. The types of numbers are those of the first rows."""

    def __init__(self, file: BinaryIO, columns: Sequence[str]):
        self._file, self._columns = file, columns
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
        import pandas
        import pyarrow

        frame = pandas.DataFrame(self._rows, columns=self._columns)
        for name in self._columns:
            if name in TEXT:
                frame[name] = frame[name].map(escaped).astype("string")
            elif frame[name].dtype == object:  # texts of numbers
                frame[name] = pandas.to_numeric(frame[name]).astype(float)
        schema = self._writer.schema if self._writer else None
        data = pyarrow.Table.from_pandas(frame, schema, preserve_index=False)
        data = data.replace_schema_metadata(None)
        if self._writer is None:
            self._writer = pyarrow.parquet.ParquetWriter(self._file, data.schema)
        self._writer.write_table(data)
        self._rows = []

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def escaped(text: object) -> str:
    r"""Return a text in which characters that UTF-8 does not have are escapes, such as \udcff.

    Python has them in place of those bytes of file names that are not UTF-8.
    """
    return str(text).encode("utf-8", "backslashreplace").decode("utf-8")


def number(value: float) -> str:
    """Format a number for a table: six digits, empty for NaN."""
    return "" if value != value else f"{value:.6g}"
