"""Run both modules in CellProfiler and print the results.

    python example_pipelines/demo.py [FOLDER]

The images are those of FOLDER. Without it they are CellProfiler's ExampleFly images with defocused
copies, and simulated dark-field scenes. The folder demo/ is written anew.
"""

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
from runner import ROOT, image_files, run_cellprofiler

LEVELS = (3, 6, 10)
SCENES = 8
FOCUS_COLUMNS = {
    "FileName_Image": "image",
    "ImageFocus_Score_Image": "defocus level",
    "ImageFocus_Certainty_Image": "certainty",
    "Metadata_QCFlag": "flagged",
}
"""Columns of CellProfiler's table and of the printed table."""
CELL_COLUMNS = {
    "FileName_Image": "image",
    "Count_BloodCells": "cells found",
    "Count_Spirochaetes": "spirochaetes found",
}
TRUE_COLUMNS = {"cells": "true cells", "spirochaetes": "true spirochaetes"}
OVERLAP = "overlap of cells"
ABOUT_FOCUS = """
Focus. The defocus level is 0 in a sharp and 10 in a very blurred image. The certainty is near 0 in
a blank image and 1 if the level is certain. Images above level 1 or below certainty 0.1 are
flagged.
"""
ABOUT_CELLS = """
Cells and spirochaetes in dark-field images.{}
"""
ABOUT_TRUTH = """ The images are simulated, so the true numbers are known.
The overlap of found and true cells (IoU) is 1 if they agree in every pixel."""


def main(own_images=None):
    """Run the demo on the images of a folder or on example images."""
    if own_images:
        images = own_folder(own_images)
        measure_focus(images, new_folder("own/focus"))
        segment(images, new_folder("own/darkfield"), "darkfield_cells.cppipe", "Darkfield")
    else:
        folder = new_folder("focus")
        measure_focus(example_images(folder / "images"), folder)
        folder = new_folder("darkfield")
        truth = draw_scenes(folder)
        pipeline = "darkfield_evaluate.cppipe"
        segment(folder / "images", folder, pipeline, "DarkfieldEvaluation", truth)


def own_folder(name):
    """Return the folder of a user, or exit with a message if it has no images."""
    folder = Path(name).resolve()
    if not folder.is_dir():
        sys.exit(f"The folder {name} does not exist: check the path after IMAGES=.")
    if not image_files(folder):
        sys.exit(f"The folder {name} contains no image: give one with PNG, TIFF or JPEG files.")
    return folder


def new_folder(name):
    """Make an empty folder in demo/."""
    folder = ROOT / "demo" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def run_tool(*arguments):
    """Run a command line of this repository, such as ``focusqual degrade``."""
    subprocess.run([sys.executable, "-m", *map(str, arguments)], cwd=ROOT, check=True)


def example_images(folder):
    """Write the example images and their defocused copies to a new folder."""
    package = Path(find_spec("cellprofiler").origin).parent
    sources = package / "data/examples/ExampleFly/images"
    folder.mkdir()
    sharp = [shutil.copy(source, folder) for source in sorted(sources.glob("*.TIF"))]
    levels = [argument for level in LEVELS for argument in ("--level", level)]
    run_tool("focusqual", "degrade", *sharp, *levels, "--output", folder)
    return folder


def measure_focus(images, folder):
    """Measure focus and show a row for each image; defocused copies follow their image."""
    table = run_cellprofiler("focus_qc.cppipe", images, folder, "FocusQC_Image.csv")
    table = table[list(FOCUS_COLUMNS)].rename(columns=FOCUS_COLUMNS)
    name = table["image"].str.extract(r"(.*?)(?:_level(\d+))?\.").astype({1: float})
    table = table.loc[name.sort_values([0, 1], na_position="first").index]
    table["defocus level"] = table["defocus level"].astype("Int64")
    table["flagged"] = table["flagged"].map({0: "no", 1: "yes"})
    by_level = table.sort_values("defocus level", kind="stable")["image"]
    sharp, blurred = (picture_of(by_level.iloc[place], "focus", folder) for place in (0, -1))
    pictures = {
        sharp: "the sharpest image: blue borders are in focus",
        blurred: "the most blurred image: red borders are far out of focus, gray ones are blank",
    }
    show(ABOUT_FOCUS, table, pictures, folder / "output" / "FocusQC_Image.csv")


def draw_scenes(folder):
    """Simulate scenes in images/, each with its mask, which is white in blood cells.

    Returns
    -------
    pandas.DataFrame
        Number of cells and of spirochaetes, by name of the image.
    """
    run_tool("segment", "scenes", "--output", folder, "--count", SCENES)
    masks = sorted((folder / "masks").iterdir())
    options = ("--keep", "blood cell", "--output", folder / "images")
    run_tool("segment", "convert-masks", *masks, *options)
    truth = pd.read_csv(folder / "data.csv")
    truth["image"] = truth["images"].str.replace("images/", "", regex=False)
    return truth.set_index("image")[list(TRUE_COLUMNS)].rename(columns=TRUE_COLUMNS)


def segment(images, folder, pipeline, prefix, truth=None):
    """Segment images, compare with the truth if it is known, and show a row for each image."""
    table = run_cellprofiler(pipeline, images, folder, f"{prefix}_Image.csv")
    rows = table[list(CELL_COLUMNS)].rename(columns=CELL_COLUMNS).set_index("image").astype(int)
    if truth is not None:
        dice = table.set_index("FileName_Image")["Overlap_Ffactor_BloodCellMask"]
        rows = rows.join(truth).assign(**{OVERLAP: dice / (2 - dice)})
    rows = rows.sort_index().reset_index()
    outlined = picture_of(rows["image"].iloc[0], "outlines", folder)
    pictures = {outlined: "outlines of the cells and spirochaetes that were found"}
    about = ABOUT_CELLS.format(ABOUT_TRUTH if truth is not None else "")
    show(about, rows, pictures, folder / "output" / f"{prefix}_Image.csv")


def picture_of(image, suffix, folder):
    """Return the picture that a pipeline saved of an image."""
    return next((folder / "output").rglob(f"{Path(image).stem}_{suffix}.png"))


def show(about, table, pictures, path):
    """Print what was measured, a table, and where to look first.

    Parameters
    ----------
    about : str
    table : pandas.DataFrame
    pictures : dict of Path to str
        What each picture shows.
    path : Path
        Table of all measurements.
    """
    print(about)
    print(table.to_string(index=False, na_rep="", float_format="{:.2f}".format))
    print("\nLook first at")
    for picture, what in pictures.items():
        print(f"  {picture}\n    {what}")
    print(f"All measurements, one row per image:\n  {path}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
