"""Plate, well, site and channel of the images in a table.

NumPy only, because CellProfiler's application has nothing else.
"""

import math
import re
from collections import defaultdict
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from focusqual.report.paths import relative_paths
from focusqual.report.wells import Well, find_well, find_wells

Texts = Sequence[str]
Table = Mapping[str, Texts]
"""Columns of a table, of which all cells are texts."""

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
SITE_IN_NAME = re.compile(
    r"(?i)(?:^|[^a-z0-9]|t\d{4}(?=f\d{3}l))(?:s|f|fld|field|site)[ _]?(\d+)(?!\d|[a-z](?!\d))"
)
"""Site in a file name, such as plate1_a01_s1.tif or plate1_A01_T0001F003L01A01Z01C01.tif."""
SPACED_WELL = re.compile(r"^\s*([A-Za-z]{1,2})[\s_:/]+(\d)")
"""Start of A_1 and A/1, which in a column, unlike in a file name, can only be wells."""


def layout(table: Table) -> Dict[str, np.ndarray]:
    """Find plate, well, site and channel of each image in the columns of a table or in its path.

    Parameters
    ----------
    table : Table
        Columns ``image``; ``folder``, ``file``, ``frame`` and LAYOUT_COLUMNS are optional.

    Returns
    -------
    dict of str to ndarray, (n,)
        ``image``, ``plate``, ``well``, ``row``, ``col``, ``site``, ``channel`` and ORIGIN_COLUMNS,
        see :func:`focusqual.report.measurements.measurements`.
    """
    folders, files = _texts(table, ["folder"]), _texts(table, ["file"])
    in_names = find_wells(table["image"])
    wells = [
        find_well(given.upper()) if given else found
        for given, found in zip(_given_wells(table), in_names)
    ]
    well_names = [well.name if well else "" for well in wells]
    paths = relative_paths(folders, table["image"])
    sites, plates = _named_sites(table, in_names), _texts(table, PLATE)
    if not any(plates):
        starts = _before_wells(paths, in_names, files)
        if _are_plates(starts, well_names, sites):
            plates = starts
    columns = {
        "image": paths,
        "plate": plates,
        "well": well_names,
        "row": [well.row if well else -1 for well in wells],
        "col": [well.col if well else -1 for well in wells],
        "site": _site_numbers(list(zip(plates, well_names)), sites),
        "channel": _texts(table, CHANNEL),
        "site_name": sites,
        "folder": folders,
        "file": [file or name for file, name in zip(files, table["image"])],
        "frame": _texts(table, ["frame"]),
    }
    numbers = ("row", "col", "site")
    return {name: np.array(columns[name], int if name in numbers else object) for name in columns}


def _texts(table: Table, names: Sequence[str]) -> List[str]:
    """Return for each row the first text in the columns with these names; empty without one.

    Columns with ``Metadata_`` come first; upper and lower case are the same.
    """
    columns = {column.lower(): column for column in reversed(list(table))}
    found = [""] * len(table["image"])
    for name in [*(f"metadata_{name}" for name in names), *names]:
        if name in columns:
            found = [text or other for text, other in zip(found, table[columns[name]])]
    return found


def _given_wells(table: Table) -> List[str]:
    """Return the well in the columns for the well, or for its row and column; may be empty."""
    # A program that reads 1 as a number may write 1.0.
    rows, cols = (
        [re.sub(r"\.0+$", "", text.strip()) for text in _texts(table, names)]
        for names in (ROW, COL)
    )
    wells = []
    for well, row, col in zip(_texts(table, WELL), rows, cols):
        if not well and row and col:
            well = f"r{row}c{col}" if row.isdigit() else row + col
        wells.append(SPACED_WELL.sub(r"\1\2", well))
    return wells


def _named_sites(table: Table, in_names: Sequence[Optional[Well]]) -> List[str]:
    """Return the site in a column or in the file name, as text; may be empty."""
    sites = []
    for given, name, well in zip(_texts(table, SITE), table["image"], in_names):
        # Without the well, because F06 is not field 6.
        match = SITE_IN_NAME.search(f"{well.before} {well.after}" if well else name)
        sites.append(given or (match[1] if match else ""))
    return sites


def _before_wells(paths: Texts, in_names: Sequence[Optional[Well]], files: Texts) -> List[str]:
    """Return the folder of each image and what is before the well in its name."""
    folders = [path.rpartition("/")[0] for path in paths]
    return [
        f"{folder}/{well.before if well else file}".strip("/").rstrip(" _-")
        for folder, well, file in zip(folders, in_names, files)
    ]


def _are_plates(plates: Texts, wells: Texts, sites: Texts) -> bool:
    """Return True if the same site of the same well occurs on several of the assumed plates."""
    found = {(plate, well, site) for plate, well, site in zip(plates, wells, sites) if well}
    return len({place[1:] for place in found}) < len(found)


def _site_numbers(wells: Sequence[Tuple[str, str]], names: Texts) -> List[int]:
    """Number the sites of each well from 0: by their names if all are known, else in order.

    A well is a plate and a name, which may be empty; then the number is -1.
    """
    sites = [to_number(name) for name in names]
    members: Dict[Tuple[str, str], List[int]] = defaultdict(list)
    for index, well in enumerate(wells):
        if well[1]:
            members[well].append(index)
    numbers, named = [-1] * len(wells), []
    for inside in members.values():
        known = {sites[index] for index in inside if not math.isnan(sites[index])}
        if len(known) == len(inside):
            named += inside
        for number, index in enumerate(inside):
            numbers[index] = number
    ranks = {site: rank for rank, site in enumerate(sorted({sites[index] for index in named}))}
    for index in named:
        numbers[index] = ranks[sites[index]]
    return numbers


def to_number(text: str) -> float:
    """Return the number in a text, NaN without one."""
    try:
        return float(text)
    except ValueError:
        return math.nan
