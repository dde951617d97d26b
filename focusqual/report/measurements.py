"""Images of a plate, read from a table of measurements."""

import re
from pathlib import Path
from typing import List, Optional, Sequence

import numpy as np
import pandas as pd

from focusqual.levels import LEVELS
from focusqual.report.plate import WELL, well_of
from micrograph_networks.errors import UserError

MAXIMUM = {"score": LEVELS - 1, "expected_level": LEVELS - 1, "certainty": 1}
"""Required columns of focus.csv besides ``image``, and the maximum of each; the minimum is 0."""
NUMBERS = list(MAXIMUM)
SCORE = re.compile(r"ImageFocus_Score_(.+)")
"""CellProfiler's column of the scores of the images with a name."""
WELL_COLUMNS = ("Metadata_Well", "well")
PLATE_COLUMNS = ("Metadata_Plate", "plate")
SITE_COLUMNS = ("Metadata_Site", "Metadata_Field", "Metadata_FieldID", "site", "field")
SITE = r"(?:^|[^A-Za-z0-9])[sfSF](\d+)(?![A-Za-z0-9])"
"""Site in a file name, such as plate1_a01_s1.tif."""
POSITION = re.compile(r"(?i)(?:metadata_)?(?:.*(?:time|date|position|stage|pos_?[xyz]).*|[txyz])")
"""Names of columns that may contain the time or position of an image."""
NO_POSITION = re.compile(r"ImageFocus_|ExecutionTime_|ModuleError_|FileName_|PathName_|URL_")
"""Prefixes of CellProfiler's columns that never contain it."""


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
        One row per image: ``image``, the file name; ``plate``, may be empty; ``well``, such as B03,
        or empty; ``row``, ``col`` and ``site``, its position in the plate and in the well, from 0,
        or -1 if the well is unknown; ``measured``, False if score or certainty are missing;
        ``score``, ``expected_level`` and ``certainty``; then the acquisition time and position
        columns that vary between images, as numbers, times in hours since the first one.

    Raises
    ------
    UserError
        The table cannot be read, lacks a column, contains no image or an invalid number.
    """
    table = _read(path)
    matches = [SCORE.fullmatch(column) for column in table.columns]
    names = sorted(match[1] for match in matches if match)
    if names:
        table = _as_focus_table(table, _selected(path, names, image))
    missing = [column for column in ("image", *NUMBERS) if column not in table]
    if missing:
        raise UserError(
            f"{path} has no column {missing[0]}: give a focus.csv of 'focusqual predict', or the "
            "table of images of a pipeline with MeasureImageFocusQuality."
        )
    if table.empty:
        raise UserError(f"{path} contains no images. Run 'focusqual predict' first.")
    numbers = _numbers(path, table)
    images = pd.DataFrame({"image": table["image"].fillna("").astype(str)})
    images["plate"] = _first(table, PLATE_COLUMNS)
    wells = [
        well_of(re.sub(r"^([A-Pa-p])(\d)$", r"\g<1>0\2", given)) or well_of(name)
        for given, name in zip(_first(table, WELL_COLUMNS), images["image"])
    ]
    images["well"] = [f"{chr(65 + well[0])}{well[1] + 1:02}" if well else "" for well in wells]
    images["row"], images["col"] = np.transpose([well or (-1, -1) for well in wells])
    images["site"] = _sites(images, _first(table, SITE_COLUMNS))
    images["measured"] = numbers[["score", "certainty"]].notna().all(axis=1)
    return pd.concat([images, numbers, _positions(table)], axis=1)


def pictures_of(images: Sequence[str], folder: Path) -> List[Optional[Path]]:
    """Find the annotated picture of each file in a folder and its subfolders, None if missing.

    'focusqual predict' and the example pipelines write pictures with these names.
    """
    found = {path.name: path for path in folder.rglob("*_focus.png")}
    # Names of images in stacks and plates have no suffix.
    return [
        found.get(f"{Path(image).stem}_focus.png") or found.get(f"{image}_focus.png")
        for image in images
    ]


def _read(path: Path) -> pd.DataFrame:
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        return pd.read_csv(path, dtype={"image": str}, low_memory=False)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: check the path.") from None
    except (ImportError, OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"{path} cannot be read as a table ({reason}): write it again.") from None


def _selected(path: Path, names: Sequence[str], image: Optional[str]) -> str:
    if image is None and len(names) == 1:
        return names[0]
    if image is not None and image in names:
        return image
    problem = f"no image {image}" if image else "several images"
    raise UserError(f"{path} contains {problem}: choose one by --image, of {', '.join(names)}.")


def _as_focus_table(table: pd.DataFrame, image: str) -> pd.DataFrame:
    """Rename CellProfiler's columns as in focus.csv."""
    names = {f"ImageFocus_{name.title().replace('_', '')}_{image}": name for name in NUMBERS}
    files = [column for column in table if column.startswith("FileName_")]
    # An image that another module made has no file of its own.
    own = [column for column in files if column == f"FileName_{image}"] or files
    return table.rename(columns={**names, **{column: "image" for column in own[:1]}})


def _numbers(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns NUMBERS as floats, NaN if missing."""
    try:
        numbers = table[NUMBERS].astype(float)
    except ValueError as error:
        raise UserError(f"{path} contains values that are not numbers ({error}).") from None
    for name, maximum in MAXIMUM.items():
        if not numbers[name].dropna().between(0, maximum).all():
            raise UserError(f"{path} contains a {name} that is not between 0 and {maximum}.")
    return numbers


def _first(table: pd.DataFrame, columns: Sequence[str]) -> pd.Series:
    """Return the first of these columns that the table has, as text; empty if it has none."""
    for column in columns:
        if column in table:
            return table[column].fillna("").astype(str)
    return pd.Series("", index=table.index)


def _sites(images: pd.DataFrame, given: pd.Series) -> pd.Series:
    """Number the sites of each well: by their names if all are known, otherwise in order."""
    # Without the well, because F06 is not field 6.
    rest = images["image"].str.replace(WELL, "", n=1, regex=True)
    named = given.where(given != "", rest.str.extract(SITE)[0])
    numbers = pd.to_numeric(named, errors="coerce")
    inside = images[images["well"] != ""].assign(site=numbers - numbers.min())
    sites = inside[["plate", "well", "site"]]
    if sites["site"].isna().any() or sites.duplicated().any():
        inside["site"] = inside.groupby(["plate", "well"]).cumcount()
    return inside["site"].reindex(images.index).fillna(-1).astype(int)


def _positions(table: pd.DataFrame) -> pd.DataFrame:
    """Return the acquisition time and position columns that vary between images."""
    positions = pd.DataFrame(index=table.index)
    for column in table.columns:
        if POSITION.fullmatch(column) and not NO_POSITION.match(column):
            name = column.replace("Metadata_", "")
            values = pd.to_numeric(table[column], errors="coerce").astype(float)
            if values.isna().all():
                name = f"{name} (hours)"
                times = pd.to_datetime(table[column], errors="coerce", utc=True)
                values = (times - times.min()).dt.total_seconds() / 3600
            values = values.where(np.isfinite(values))
            if values.nunique() > 1:
                positions[name] = values
    return positions
