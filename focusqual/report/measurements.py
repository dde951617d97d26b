"""Images of a plate, read from a table of measurements."""

import re
import warnings
from pathlib import Path
from typing import List, Optional, Sequence

import numpy as np
import pandas as pd

from focusqual.levels import LEVELS
from focusqual.report.layout import LAYOUT_COLUMNS, layout
from micrograph_networks.errors import UserError
from micrograph_networks.files.tables import pyarrow_parquet, read_csv

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
    r"(?:FileName|PathName)_.+|ImageFocus_(?:Score|ExpectedLevel|Certainty|ExpectedDefocus)_.+|(?i:(?:metadata_)?(?:{}))".format(
        "|".join(LAYOUT_COLUMNS)
    )
)
"""Columns that are read, besides times and positions."""
POSITION = re.compile(r"(?i)(?:metadata_)?(?:.*(?:time|date|position|stage|pos_?[xyz]).*|[txyz])")
"""Names of columns that may contain the time or position of an image."""
NO_POSITION = re.compile(r"ImageFocus_|ExecutionTime_|ModuleError_|FileName_|PathName_|URL_")
"""Prefixes of CellProfiler's columns that never contain it."""
NO_NUMBER = ("", "na", "n/a", "#n/a", "<na>", "nan", "none", "null")
"""Texts, in lower case, that stand for a missing number."""


def read_measurements(path: Path, image: Optional[str] = None) -> pd.DataFrame:
    """Read a table of 'focusqual predict' or CellProfiler's table of images.

    Parameters
    ----------
    path : Path
        CSV or Parquet file of one or several plates.
    image : str, optional
        CellProfiler's name of the images, required if the table contains several.

    Returns
    -------
    DataFrame
        One row per image: ``image``, its path relative to the folder of all images; ``plate``, may
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
        The table cannot be read, lacks a column, contains no measured image, an invalid number, or
        an image of a well twice.
    """
    table = _read(path)
    names = _image_names(table)
    return _measurements(path, table, _selected(path, names, image) if names else "")


def read_all_channels(path: Path) -> pd.DataFrame:
    """Read a table as :func:`read_measurements` does, with all images of CellProfiler's table."""
    table = _read(path)
    names = _image_names(table) or [""]
    channels = [_measurements(path, table, name) for name in names]
    return pd.concat(channels, ignore_index=True)


def _image_names(table: pd.DataFrame) -> List[str]:
    """Return CellProfiler's names of the images that were measured; none for a focus.csv."""
    matches = [SCORE.fullmatch(column) for column in table.columns]
    return sorted(match[1] for match in matches if match)


def _measurements(path: Path, table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the measurements of CellProfiler's images with a name, or those of a focus.csv."""
    if name:
        table = _as_focus_table(table, name)
    missing = [column for column in ("image", *NUMBERS) if column not in table]
    if missing:
        raise UserError(f"{path} has no column {missing[0]}: give {WANTED}.")
    numbers = _numbers(path, table)
    images = layout(table)
    if name:
        images["channel"] = name
    names_only = table.drop(columns=[*NUMBERS, DEFOCUS], errors="ignore")
    repeated = names_only.duplicated() & (images["well"] != "")
    # CellProfiler's tables have no names for the planes of a file.
    if repeated.any() and not name:
        twice = images["image"][repeated.idxmax()]
        raise UserError(
            f"{path} contains {twice} twice: remove one row, or add a column plate that tells the "
            "images apart."
        )
    images["measured"] = numbers[["score", "certainty"]].notna().all(axis=1)
    if not images["measured"].any():
        raise UserError(
            f"No image in {path} was measured: what 'focusqual predict' or CellProfiler printed "
            "says why."
        )
    if DEFOCUS in table:
        images[DEFOCUS] = pd.to_numeric(table[DEFOCUS], errors="coerce").astype(float)
    return pd.concat([images, numbers, _positions(table)], axis=1)


def _read(path: Path) -> pd.DataFrame:
    """Read the used columns of a table as text, so that plate 0012 is neither 12 nor 012."""
    if path.suffix.lower() != ".parquet":
        if path.is_dir():
            raise UserError(f"{path} is a folder: give {WANTED}.")
        return pd.DataFrame(read_csv(path, (), WANTED, _is_used), dtype=object)
    parquet = pyarrow_parquet()
    try:
        data = parquet.read_table(path)
        texts = {
            name: data[name].cast("string").to_pylist()
            for name in data.column_names
            if _is_used(name)
        }
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: check the path.") from None
    except (OSError, ValueError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"{path} cannot be read as a table ({reason}): give {WANTED}.") from None
    if not data.num_rows:
        raise UserError(f"{path} has no rows: give {WANTED}.")
    return pd.DataFrame(texts, dtype=object).fillna("")


def _is_used(column: str) -> bool:
    """Return True for the columns that the page needs; CellProfiler writes hundreds of others."""
    return bool(USED.fullmatch(column)) or _is_position(column)


def _is_position(column: str) -> bool:
    return bool(POSITION.fullmatch(column)) and not NO_POSITION.match(column)


def _selected(path: Path, names: Sequence[str], image: Optional[str]) -> str:
    if image is None and len(names) == 1:
        return names[0]
    if image is not None and image in names:
        return image
    problem = f"no image {image}" if image else "several images"
    raise UserError(f"{path} contains {problem}: choose one by --image, of {', '.join(names)}.")


def _as_focus_table(table: pd.DataFrame, image: str) -> pd.DataFrame:
    """Rename CellProfiler's columns as in focus.csv."""
    columns = {f"ImageFocus_{name.title().replace('_', '')}_{image}": name for name in NUMBERS}
    columns[f"ImageFocus_ExpectedDefocus_{image}"] = DEFOCUS
    files = [column for column in table if column.startswith("FileName_")]
    # An image that another module made has no file of its own.
    own = [column for column in files if column == f"FileName_{image}"] or files
    for file in own[:1]:
        columns.update({file: "image", file.replace("FileName_", "PathName_", 1): "folder"})
    return table.rename(columns=columns)


def _numbers(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns NUMBERS as floats, NaN if missing."""
    texts = table[NUMBERS]
    try:
        numbers = texts.mask(texts.apply(_is_missing), "nan").astype(float)
    except ValueError as error:
        raise UserError(f"{path} contains values that are not numbers ({error}).") from None
    for name, maximum in MAXIMUM.items():
        if not numbers[name].dropna().between(0, maximum).all():
            raise UserError(f"{path} contains a {name} that is not between 0 and {maximum}.")
    return numbers


def _is_missing(texts: pd.Series) -> pd.Series:
    return texts.str.strip().str.lower().isin(NO_NUMBER)


def _positions(table: pd.DataFrame) -> pd.DataFrame:
    """Return the acquisition time and position columns that vary between images."""
    positions = pd.DataFrame(index=table.index)
    for column in filter(_is_position, table.columns):
        name = column.replace("Metadata_", "")
        values = pd.to_numeric(table[column], errors="coerce").astype(float)
        if values.isna().all():
            name = f"{name} (hours)"
            with warnings.catch_warnings():
                # Ignore text that is not a time, such as the name of a stage.
                warnings.simplefilter("ignore")
                times = pd.to_datetime(table[column], errors="coerce", utc=True)
            values = (times - times.min()).dt.total_seconds() / 3600
        values = values.where(np.isfinite(values))
        if values.nunique() > 1:
            positions[name] = values
    return positions
