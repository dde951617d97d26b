"""Plate, well, site and channel of the images in a table."""

import re
from typing import List, Optional, Sequence

import pandas as pd

from focusqual.report.paths import relative_paths
from focusqual.report.wells import Well, find_well

PLATE = ("plate",)
WELL = ("well",)
ROW = ("row", "wellrow", "well_row")
COL = ("col", "column", "wellcol", "wellcolumn", "well_col", "well_column")
SITE = ("site", "field", "fieldid")
CHANNEL = ("channel_name", "channel")
LAYOUT_COLUMNS = (*PLATE, *WELL, *ROW, *COL, *SITE, *CHANNEL)
"""Names of columns in lower case; ``Metadata_`` may be before them."""
ORIGIN_COLUMNS = ("site_name", "folder", "file", "frame")
"""Columns with the texts of the table from which images are found again."""
SITE_IN_NAME = re.compile(r"(?i)(?:^|[^a-z0-9])(?:s|f|fld|field|site)[ _]?(\d+)(?!\d|[a-z](?!\d))")
"""Site in a file name, such as plate1_a01_s1.tif."""


def layout(table: pd.DataFrame) -> pd.DataFrame:
    """Find plate, well, site and channel of each image in the columns of a table or in its path.

    Parameters
    ----------
    table : DataFrame of str
        Table with the column ``image``; ``folder``, ``file`` and LAYOUT_COLUMNS are optional.

    Returns
    -------
    DataFrame
        ``image``, ``plate``, ``well``, ``row``, ``col``, ``site``, ``channel`` and ORIGIN_COLUMNS,
        see :func:`focusqual.report.measurements.read_measurements`.
    """
    in_names = [find_well(name) for name in table["image"]]
    wells = [
        find_well(given.upper()) if given else found
        for given, found in zip(_given_wells(table), in_names)
    ]
    images = pd.DataFrame(
        {
            "image": relative_paths(_texts(table, ["folder"]), table["image"]),
            "plate": _texts(table, PLATE),
            "well": [well.name if well else "" for well in wells],
            "row": [well.row if well else -1 for well in wells],
            "col": [well.col if well else -1 for well in wells],
            "site": _named_sites(table, in_names),
            "channel": _texts(table, CHANNEL),
        }
    )
    if (images["plate"] == "").all():
        starts = _before_wells(images["image"], in_names, _texts(table, ["file"]))
        if _are_plates(images.assign(plate=starts)):
            images["plate"] = starts
    files = _texts(table, ["file"])
    return images.assign(
        site_name=images["site"],
        site=_site_numbers(images),
        folder=_texts(table, ["folder"]),
        file=files.where(files != "", table["image"]),
        frame=_texts(table, ["frame"]),
    )


def _texts(table: pd.DataFrame, names: Sequence[str]) -> pd.Series:
    """Return for each row the first text in the columns with these names; empty without one.

    Columns with ``Metadata_`` come first; upper and lower case are the same.
    """
    columns = {column.lower(): column for column in reversed(list(table.columns))}
    found = pd.Series("", index=table.index, dtype=object)
    for name in [*(f"metadata_{name}" for name in names), *names]:
        if name in columns:
            found = found.where(found != "", table[columns[name]])
    return found


def _given_wells(table: pd.DataFrame) -> pd.Series:
    """Return the well in the columns for the well, or for its row and column; may be empty."""
    # A program that reads 1 as a number may write 1.0.
    row, col = (
        _texts(table, names).str.strip().str.replace(r"\.0+$", "", regex=True)
        for names in (ROW, COL)
    )
    joined = ("r" + row + "c" + col).where(row.str.isdigit(), row + col)
    # In a column, unlike in a file name, A_1 and A/1 can only be wells.
    well = _texts(table, WELL).str.replace(r"^\s*([A-Za-z]{1,2})[\s_:/]+(\d)", r"\1\2", regex=True)
    return well.where(well != "", joined.where((row != "") & (col != ""), ""))


def _named_sites(table: pd.DataFrame, in_names: Sequence[Optional[Well]]) -> pd.Series:
    """Return the site in a column or in the file name, as text; may be empty."""
    # Without the well, because F06 is not field 6.
    rests = [
        f"{well.before} {well.after}" if well else name
        for well, name in zip(in_names, table["image"])
    ]
    matches = map(SITE_IN_NAME.search, rests)
    named = pd.Series([match[1] if match else "" for match in matches], table.index, dtype=object)
    given = _texts(table, SITE)
    return given.where(given != "", named)


def _before_wells(
    paths: pd.Series, in_names: Sequence[Optional[Well]], files: pd.Series
) -> List[str]:
    """Return the folder of each image and what is before the well in its name."""
    folders = paths.str.rpartition("/")[0]
    return [
        f"{folder}/{well.before if well else file}".strip("/").rstrip(" _-")
        for folder, well, file in zip(folders, in_names, files)
    ]


def _are_plates(images: pd.DataFrame) -> bool:
    """Return True if the same site of the same well occurs on several of the assumed plates."""
    sites = images[images["well"] != ""].drop_duplicates(["plate", "well", "site"])
    return bool(sites.duplicated(["well", "site"]).any())


def _site_numbers(images: pd.DataFrame) -> pd.Series:
    """Number the sites of each well from 0: by their names if all are known, else in order."""
    inside = images[images["well"] != ""]
    inside = inside.assign(site=pd.to_numeric(inside["site"], errors="coerce").astype(float))
    unknown = inside["site"].isna() | inside.duplicated(["plate", "well", "site"], keep=False)
    well = [inside["plate"], inside["well"]]
    counted = unknown.groupby(well).transform("any")
    ranks = inside["site"].mask(counted).rank(method="dense") - 1
    sites = ranks.where(~counted, inside.groupby(well).cumcount())
    return sites.reindex(images.index).fillna(-1).astype(int)
