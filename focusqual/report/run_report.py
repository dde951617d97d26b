"""Report of a run of CellProfiler: the page of the plate, and two tables beside it.

NumPy and SciPy only, because CellProfiler's application has nothing else.
"""

from pathlib import Path
from typing import List

from focusqual.report.findings import write_load_data
from focusqual.report.layout import Table
from focusqual.report.measurements import measurements, outside_wells
from focusqual.report.options import Thresholds
from focusqual.report.page import write_plate_page
from focusqual.report.paths import pictures_of
from focusqual.report.verdicts import WELL_COLUMNS, excluded_wells
from micrograph_networks.files.ownership import check_replaceable
from micrograph_networks.files.tables import csv_table
from micrograph_networks.files.writing import output_folder

ENDINGS = (".html", "_excluded_wells.csv", "_image_again.csv")
"""Ends of the names of the files: page, excluded wells, and sites to image again."""


def report_paths(folder: Path, name: str) -> List[Path]:
    """Return the paths of the files of a report."""
    return [folder / f"{name}{ending}" for ending in ENDINGS]


def write_report(folder: Path, name: str, table: Table, image_name: str, note: str = "") -> Path:
    """Write the report of some images.

    Parameters
    ----------
    folder : Path
        Folder of the report, which is made if it does not exist. Annotated pictures in it and in
        its subfolders are shown on the page.
    name : str
        Start of the names of the files.
    table : Table
        See :func:`focusqual.report.measurements.measurements`.
    image_name : str
        CellProfiler's name of the images.
    note : str
        Sentence for the top of the page.

    Returns
    -------
    Path
        Path of the page.

    Raises
    ------
    UserError
        No image was measured, a file exists that this program did not write, or a file cannot be
        written.
    """
    images, thresholds = measurements(table, image_name, "this run"), Thresholds()
    page, excluded, again = paths = report_paths(output_folder(folder), name)
    check_replaceable(paths)
    # Not deeper: the default output folder may be the user's home.
    pictures = pictures_of(images["image"], folder, levels=("", "*"))
    note = f"{note} {outside_wells(images)}".strip()
    title = f"Focus report of {image_name}"
    audits = write_plate_page(page, title, images, thresholds, pictures, note)
    with csv_table(excluded, WELL_COLUMNS) as rows:
        rows.writerows(excluded_wells(images, thresholds))
    write_load_data(again, audits, images, image_name)
    return page
