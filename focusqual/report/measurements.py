"""Measurements of the images of a plate, from the columns of a table.

NumPy only, because CellProfiler's application has nothing else. Tables are read in tables.py.
"""

import datetime
import math
import re
from typing import Any, Dict, Iterable, List, Mapping

import dateutil.parser  # type: ignore[import-untyped]
import numpy as np

from focusqual.levels import LEVELS
from focusqual.report.layout import LAYOUT_COLUMNS, Table, Texts, layout, to_number
from micrograph_networks.errors import UserError

MAXIMUM = {"score": LEVELS - 1, "expected_level": LEVELS - 1, "certainty": 1}
"""Required columns of focus.csv besides ``image``, and the maximum of each; the minimum is 0."""
NUMBERS = list(MAXIMUM)
DEFOCUS = "expected_defocus_um"
"""Optional column: the expected level in micrometers."""
WANTED = (
    "a focus.csv of 'focusqual predict', or the table of images of a pipeline with "
    "MeasureImageFocusQuality"
)
SCORE = re.compile(r"ImageFocus_Score_(.+)")
"""CellProfiler's column of the scores of the images with a name."""
USED = re.compile(
    r"image|folder|file|frame|score|expected_level|certainty|expected_defocus_um|"
    r"(?:FileName|PathName|Frame)_.+|"
    r"ImageFocus_(?:Score|ExpectedLevel|Certainty|ExpectedDefocus)_.+|"
    r"(?i:(?:metadata_)?(?:{}))".format("|".join(LAYOUT_COLUMNS))
)
"""Columns that are read, besides times and positions."""
POSITION = re.compile(r"(?i)(?:metadata_)?(?:.*(?:time|date|position|stage|pos_?[xyz]).*|[txyz])")
"""Names of columns that may contain the time or position of an image."""
NO_POSITION = re.compile(r"ImageFocus_|ExecutionTime_|ModuleError_|FileName_|PathName_|URL_")
"""Prefixes of CellProfiler's columns that never contain it."""
DAYS = (datetime.datetime(2000, 1, 1), datetime.datetime(2001, 2, 2))
"""Two days that stand for what a time leaves out."""
NO_NUMBER = ("", "na", "n/a", "#n/a", "<na>", "nan", "none", "null")
"""Texts, in lower case, that stand for a missing number."""


def is_used(column: str) -> bool:
    """Return True for the columns that matter here; CellProfiler writes hundreds of others."""
    return bool(USED.fullmatch(column)) or _is_position(column)


def image_names(table: Table) -> List[str]:
    """Return CellProfiler's names of the images that were measured; none for a focus.csv."""
    matches = map(SCORE.fullmatch, table)
    return sorted(match[1] for match in matches if match)


def measurements(table: Table, name: str, source: object) -> Dict[str, np.ndarray]:
    """Find the measurements and positions of the images in a table.

    Parameters
    ----------
    table : Table
        Columns of a focus.csv or of CellProfiler's table of images, for which :func:`is_used` is
        True.
    name : str
        CellProfiler's name of the images; empty for a focus.csv.
    source : object
        Path or name of the table, for error messages.

    Returns
    -------
    dict of str to ndarray, (n,)
        ``image``, the path of an image relative to the folder of all images; ``plate``, may
        be empty; ``well``, such as B03, or empty; ``row``, ``col`` and ``site``, its position in
        the plate and in the well, from 0, or -1 if the well is unknown; ``channel``, may be empty,
        in CellProfiler's table the name of the images; ``site_name``, ``folder``, ``file`` and
        ``frame`` as in the table, may be empty; ``measured``, False if score or certainty are
        missing; ``expected_defocus_um``, if the table has it; ``score``, ``expected_level`` and
        ``certainty``; then the acquisition time and position columns that vary between images, as
        numbers, times in hours since the first one. Plates, wells and names are the texts of the
        table.

    Raises
    ------
    UserError
        The table lacks a column, or contains no measured image, an invalid number, or an image of
        a well twice.
    """
    if name:
        table = _as_focus_table(table, name)
    missing = [column for column in ("image", *NUMBERS) if column not in table]
    if missing:
        raise UserError(f"{source} has no column {missing[0]}: give {WANTED}.")
    numbers = {column: _numbers(source, column, table[column]) for column in NUMBERS}
    images = layout(table)
    if name:
        images["channel"] = np.full(len(images["well"]), name, object)
    else:  # CellProfiler's tables have no names for the planes of a file
        _check_repeated(source, table, images["well"])
    images["measured"] = ~(np.isnan(numbers["score"]) | np.isnan(numbers["certainty"]))
    if not images["measured"].any():
        raise UserError(
            f"No image in {source} was measured: what 'focusqual predict' or CellProfiler printed "
            "says why."
        )
    if DEFOCUS in table:
        images[DEFOCUS] = np.array([to_number(text) for text in table[DEFOCUS]])
        if ((images[DEFOCUS] <= 0) & (numbers["expected_level"] > 0)).any():
            raise UserError(f"{source} contains values of {DEFOCUS} that are not above 0.")
    return {**images, **numbers, **_positions(table)}


def outside_wells(images: Mapping[str, Any]) -> str:
    """Return a sentence about the images without a well; empty if all have one."""
    names = np.asarray(images["image"])[np.asarray(images["well"]) == ""]
    if not len(names):
        return ""
    return (
        f"Images without a recognizable well: {len(names)}, such as {names[0]}. Give wells, such "
        "as A01, as Metadata_Well: by CellProfiler's Metadata module or in a column of the table."
    )


def _is_position(column: str) -> bool:
    return bool(POSITION.fullmatch(column)) and not NO_POSITION.match(column)


def _as_focus_table(table: Table, image: str) -> Table:
    """Rename CellProfiler's columns as in focus.csv."""
    columns = {f"ImageFocus_{name.title().replace('_', '')}_{image}": name for name in NUMBERS}
    columns[f"ImageFocus_ExpectedDefocus_{image}"] = DEFOCUS
    columns[f"Frame_{image}"] = "frame"
    files = [column for column in table if column.startswith("FileName_")]
    # An image that another module made has no file of its own.
    own = [column for column in files if column == f"FileName_{image}"] or files
    for file in own[:1]:
        columns.update({file: "image", file.replace("FileName_", "PathName_", 1): "folder"})
    return {columns.get(column, column): table[column] for column in table}


def _numbers(source: object, column: str, texts: Texts) -> np.ndarray:
    """Return a column as floats, NaN if missing."""
    try:
        numbers = np.array([_number(text) for text in texts])
    except ValueError as error:
        raise UserError(f"{source} contains values that are not numbers ({error}).") from None
    maximum = MAXIMUM[column]
    if not (np.isnan(numbers) | (numbers >= 0) & (numbers <= maximum)).all():
        raise UserError(f"{source} contains a {column} that is not between 0 and {maximum}.")
    return numbers


def _number(text: str) -> float:
    return math.nan if text.strip().lower() in NO_NUMBER else float(text)


def _check_repeated(source: object, table: Table, wells: Iterable[str]) -> None:
    """Refuse rows of a well that differ only in their measurements."""
    columns = [table[column] for column in table if column not in (*NUMBERS, DEFOCUS)]
    seen = set()
    for image, well, row in zip(table["image"], wells, zip(*columns)):
        if well and row in seen:
            raise UserError(
                f"{source} contains {image} twice: remove one row, or add a column plate that "
                "tells the images apart."
            )
        seen.add(row)


def _positions(table: Table) -> Dict[str, np.ndarray]:
    """Return the acquisition time and position columns that vary between images."""
    positions = {}
    for column in filter(_is_position, table):
        name = column.replace("Metadata_", "")
        values = np.array([to_number(text) for text in table[column]])
        if np.isnan(values).all():
            name = f"{name} (hours)"
            values = np.array([_seconds(text) for text in table[column]]) / 3600
        values[~np.isfinite(values)] = np.nan
        known = values[np.isfinite(values)]
        if len(np.unique(known)) > 1:
            positions[name] = values - known.min() if name.endswith("(hours)") else values
    return positions


def _seconds(text: str) -> float:
    """Return a time in seconds since 1970, NaN for other texts, such as T1 or a name of a stage."""
    try:
        time = datetime.datetime.fromisoformat(text)
    except ValueError:
        try:
            time, other = (dateutil.parser.parse(text, default=day) for day in DAYS)  # slower
        except (ValueError, OverflowError):
            return math.nan
        if time != other and ":" not in text:  # neither a complete date nor a time of day
            return math.nan
    return time.replace(tzinfo=time.tzinfo or datetime.timezone.utc).timestamp()
