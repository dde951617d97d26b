"""The images of a plate, read from a table of measurements."""

import re
from pathlib import Path
from typing import List, Optional, Sequence, Tuple

import numpy as np
import pandas as pd

from focusqual.levels import LEVELS
from focusqual.report.plate import WELL, well_of
from micrograph_networks.errors import UserError

HIGHEST = {"score": LEVELS - 1, "expected_level": LEVELS - 1, "certainty": 1}
"""Columns of focus.csv that a report needs besides ``image``: numbers from 0 to these."""
NUMBERS = tuple(HIGHEST)
MEASURED = re.compile(r"ImageFocus_Score_(.+)")
"""CellProfiler's column of the scores of the images of one name."""
WELL_COLUMNS = ("Metadata_Well", "well")
PLATE_COLUMNS = ("Metadata_Plate", "plate")
SITE_COLUMNS = ("Metadata_Site", "Metadata_Field", "Metadata_FieldID", "site", "field")
SITE = r"(?:^|[^A-Za-z0-9])[sfSF](\d+)(?![A-Za-z0-9])"
"""Sites in file names, such as plate1_a01_s1.tif."""
PLACE = re.compile(r"(?i)(?:metadata_)?(?:.*(?:time|date|position|stage|pos_?[xyz]).*|[txyz])")
"""Names of columns that may tell when or where an image was taken."""
MEASUREMENT = re.compile(r"ImageFocus_|ExecutionTime_|ModuleError_|FileName_|PathName_|URL_")
"""Beginnings of the names of CellProfiler's columns that do not."""


def read_measurements(path: Path, image: Optional[str] = None) -> pd.DataFrame:
    """Read a table of 'focusqual predict', or CellProfiler's of images, one plate's or several.

    Parameters
    ----------
    path : Path
    image : str, optional
        CellProfiler's name of the images, needed where the table holds several.

    Returns
    -------
    DataFrame
        A row an image: ``image``, its file name; ``plate``, empty where that is unknown; ``well``,
        such as B03, or empty; ``row``, ``col`` and ``site``, its place in the plate and in the
        well, from 0 on, -1 where no well is known; ``score``, ``expected_level`` and ``certainty``,
        NaN where the image was not measured; then the columns that tell when or where it was
        taken, as numbers, times in hours since the first one.

    Raises
    ------
    UserError
        The table cannot be read, lacks a column, or holds no image.
    """
    table = _read(path)
    names = {found[1]: found[0] for found in map(MEASURED.fullmatch, table.columns) if found}
    if names:
        table = _as_focus_table(table, _chosen(path, sorted(names), image))
    missing = [column for column in ("image", *NUMBERS) if column not in table]
    if missing:
        raise UserError(
            f"{path} has no column {missing[0]}: give a focus.csv of 'focusqual predict', or the "
            "table of images of a pipeline with MeasureImageFocusQuality."
        )
    if table.empty:
        raise UserError(f"{path} holds no image: rate some first.")
    try:
        measured = table[list(NUMBERS)].astype(float)
    except ValueError as error:
        raise UserError(f"{path} holds what is no number ({error}): write it again.") from None
    for name, highest in HIGHEST.items():
        if not measured[name].dropna().between(0, highest).all():
            raise UserError(
                f"{path} holds a {name} that is not from 0 to {highest}: write it again."
            )
    images = pd.DataFrame({"image": table["image"].fillna("").astype(str)})
    images["plate"] = _first(table, PLATE_COLUMNS)
    wells = [
        well_of(re.sub(r"^([A-Pa-p])(\d)$", r"\g<1>0\2", given)) or well_of(name)
        for given, name in zip(_first(table, WELL_COLUMNS), images["image"])
    ]
    places = np.array([well or (-1, -1) for well in wells])
    images["well"] = [f"{chr(65 + row)}{col + 1:02}" if row >= 0 else "" for row, col in places]
    images["row"], images["col"] = places.T
    images["site"] = _sites(images, _first(table, SITE_COLUMNS))
    images[list(NUMBERS)] = measured
    return pd.concat([images, _places(table)], axis=1)


def pictures_of(images: Sequence[str], folder: Path) -> List[Optional[Path]]:
    """Annotated pictures of images, as ``focusqual predict`` and the example pipeline name them.

    Parameters
    ----------
    images : list of str
        File names.
    folder : Path
        They lie there, or in a folder below it.

    Returns
    -------
    list of Path
        None where there is none.
    """
    found = {path.name: path for path in folder.rglob("*_focus.png")}
    # Images of stacks and plates have names without a suffix.
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


def _chosen(path: Path, names: Sequence[str], image: Optional[str]) -> str:
    if image is None and len(names) == 1:
        return names[0]
    if image is None or image not in names:
        asked = "several images" if image is None else f"no image {image}"
        raise UserError(f"{path} holds {asked}: choose one by --image, of {', '.join(names)}.")
    return image


def _as_focus_table(table: pd.DataFrame, image: str) -> pd.DataFrame:
    """Name CellProfiler's columns as in focus.csv."""
    names = {f"ImageFocus_{n.title().replace('_', '')}_{image}": n for n in NUMBERS}
    files = [column for column in table if column.startswith("FileName_")]
    # An image that another module made has no file of its own.
    own = [column for column in files if column == f"FileName_{image}"] or files
    return table.rename(columns={**names, **{column: "image" for column in own[:1]}})


def _first(table: pd.DataFrame, columns: Sequence[str]) -> pd.Series:
    """The first of some columns that a table has, as text; empty if it has none."""
    for column in columns:
        if column in table:
            return table[column].fillna("").astype(str)
    return pd.Series("", index=table.index)


def _sites(images: pd.DataFrame, given: pd.Series) -> pd.Series:
    """Number of each image in its well: that of its site where it is known, else in order."""
    # The well F06 is no field 6.
    rest = images["image"].str.replace(WELL, "", n=1, regex=True)
    named = given.where(given != "", rest.str.extract(SITE)[0])
    numbers = pd.to_numeric(named, errors="coerce")
    inside = images[images["well"] != ""].assign(site=numbers - numbers.min())
    places = inside[["plate", "well", "site"]]
    if places["site"].isna().any() or places.duplicated().any():
        inside["site"] = inside.groupby(["plate", "well"]).cumcount()
    return inside["site"].reindex(images.index).fillna(-1).astype(int)


def _places(table: pd.DataFrame) -> pd.DataFrame:
    """Columns that tell when or where images were taken and are not the same for all."""
    places = {}
    for column in filter(PLACE.fullmatch, table.columns):
        if MEASUREMENT.match(column):
            continue
        name, values = _as_numbers(column.replace("Metadata_", ""), table[column])
        if values.nunique() > 1:
            places[name] = values
    return pd.DataFrame(places, index=table.index)


def _as_numbers(name: str, column: pd.Series) -> Tuple[str, pd.Series]:
    numbers = pd.to_numeric(column, errors="coerce").astype(float)
    if numbers.notna().any():
        return name, numbers.where(np.isfinite(numbers))
    times = pd.to_datetime(column, errors="coerce", utc=True)
    return f"{name} (hours)", (times - times.min()).dt.total_seconds() / 3600
