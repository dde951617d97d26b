"""Tables of measurements of the images of plates."""

from pathlib import Path
from typing import Dict, List, Optional, Sequence

import pandas as pd

from focusqual.report.measurements import WANTED, image_names, is_used, measurements
from micrograph_networks.errors import UserError
from micrograph_networks.files.tables import pyarrow_parquet, read_csv


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
        One row per image, see :func:`focusqual.report.measurements.measurements`.

    Raises
    ------
    UserError
        The table cannot be read, lacks a column, contains no measured image, an invalid number, or
        an image of a well twice.
    """
    table = _read(path)
    names = image_names(table)
    name = _selected(path, names, image) if names else ""
    return pd.DataFrame(measurements(table, name, path))


def read_all_channels(path: Path) -> pd.DataFrame:
    """Read a table as :func:`read_measurements` does, with all images of CellProfiler's table."""
    table = _read(path)
    names = image_names(table) or [""]
    channels = [pd.DataFrame(measurements(table, name, path)) for name in names]
    return pd.concat(channels, ignore_index=True)


def _read(path: Path) -> Dict[str, List[str]]:
    """Read the used columns of a table as text, so that plate 0012 is neither 12 nor 012."""
    if path.suffix.lower() != ".parquet":
        if path.is_dir():
            raise UserError(f"{path} is a folder: give {WANTED}.")
        rows = read_csv(path, (), WANTED, is_used)
        return {column: [row[column] for row in rows] for column in rows[0]}
    parquet = pyarrow_parquet()
    try:
        data = parquet.read_table(path)
        texts = {
            name: [text or "" for text in data[name].cast("string").to_pylist()]
            for name in data.column_names
            if is_used(name)
        }
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: check the path.") from None
    except (OSError, ValueError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"{path} cannot be read as a table ({reason}): give {WANTED}.") from None
    if not data.num_rows:
        raise UserError(f"{path} has no rows: give {WANTED}.")
    return texts


def _selected(path: Path, names: Sequence[str], image: Optional[str]) -> str:
    if image is None and len(names) == 1:
        return names[0]
    if image is not None and image in names:
        return image
    problem = f"no image {image}" if image else "several images"
    raise UserError(f"{path} contains {problem}: choose one by --image, of {', '.join(names)}.")
