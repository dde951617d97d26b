"""Check the input of a workflow before anything is run."""

import csv
import re

from micrograph_networks.errors import UserError

TEXTS = ("pipeline", "images", "load_data", "output", "cellprofiler", "cellprofiler_python")
"""Settings that are texts; those that are not given are None."""

LEAST = {"images_per_batch": 1, "threads": 1, "memory_mb": 1, "retries": 0}
"""Settings that are whole numbers, and the minimum of each."""


def check_settings(config):
    """Raise UserError if a setting of config.yaml has another type, such as a folder 0012.

    Parameters
    ----------
    config : dict of str to object
        Settings as YAML reads them.
    """
    for name in TEXTS:
        value = config.get(name)
        if value is not None and not isinstance(value, str):
            raise UserError(f"{name} is {value!r}, which is not text: write it in quotation marks.")
    if not config.get("output"):
        raise UserError("No output is given: name a folder.")
    for name, least in LEAST.items():
        value = config.get(name)
        if type(value) is not int or value < least:
            raise UserError(f"{name} is {value!r}: give a whole number of {least} or more.")


def check(cellprofiler, pipeline, images=None, load_data=None):
    """Raise UserError if the pipeline cannot be run in batches on the images.

    Parameters
    ----------
    cellprofiler : CellProfiler
    pipeline : Path
        Pipeline file (.cppipe).
    images : Path, optional
        Folder of images; with ``load_data`` the default input folder of LoadData.
    load_data : Path, optional
        CSV file for a pipeline that begins with LoadData.
    """
    if not pipeline:
        raise UserError("No pipeline is given: name a .cppipe that CellProfiler has exported.")
    if not (images or load_data):
        raise UserError("Neither images nor load_data is given: name a folder or a CSV.")
    if images and not images.is_dir():
        raise UserError(f"The folder of images {images} does not exist: check the path.")
    if images and not any(path.is_file() for path in images.rglob("*")):
        raise UserError(f"The folder of images {images} is empty: check the path.")
    if load_data:
        _check_load_data(load_data)
    found = cellprofiler.ask("pipeline", pipeline)
    if load_data and "LoadData" not in found["modules"]:
        raise UserError(
            f"{pipeline} has no LoadData module, so it cannot read {load_data}: add one to it."
        )
    if not load_data and "LoadData" in found["modules"]:
        raise UserError(
            f"{pipeline} has a LoadData module: give the CSV that it reads as load_data."
        )
    _check_exports(pipeline, found["exports"])


def _check_load_data(path):
    if not path.is_file():
        raise UserError(f"The CSV for LoadData {path} does not exist: check the path.")
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        rows = csv.reader(file)
        columns, first = next(rows, []), next(rows, None)
    if not any(re.match("(Image_)?(FileName|URL)_.", column) for column in columns):
        raise UserError(
            f"{path} has neither a column FileName_NAME nor URL_NAME: "
            "LoadData needs one for each image."
        )
    if first is None:
        raise UserError(f"{path} has no row below its heading: LoadData needs one an image set.")


def _check_exports(pipeline, exports):
    """Raise UserError unless every batch writes its tables as CSV to its own folder."""
    if not exports:
        raise UserError(f"{pipeline} has no ExportToSpreadsheet module, which writes the tables.")
    for export in exports:
        # A subfolder may follow.
        if not export["folder"].startswith("Default Output Folder"):
            raise UserError(
                f"ExportToSpreadsheet of {pipeline} writes to a folder of its own: "
                "set its output file location to Default Output Folder."
            )
        if export["delimiter"] != ",":
            raise UserError(f"ExportToSpreadsheet of {pipeline}: set its delimiter to comma.")
    if not any(export["image"] for export in exports):
        raise UserError(f"ExportToSpreadsheet of {pipeline} does not export Image: let it do so.")
