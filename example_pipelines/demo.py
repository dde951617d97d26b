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
    "ImageFocus_Score_Image": "score",
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
    """Measure focus and print a row for each image; defocused copies follow their image."""
    table = run_cellprofiler("focus_qc.cppipe", images, folder, "FocusQC_Image.csv")
    table = table[list(FOCUS_COLUMNS)].rename(columns=FOCUS_COLUMNS)
    name = table["image"].str.extract(r"(.*?)(?:_level(\d+))?\.").astype({1: float})
    table = table.loc[name.sort_values([0, 1], na_position="first").index]
    table["score"] = table["score"].astype("Int64")
    table["flagged"] = table["flagged"].map({0: "no", 1: "yes"})
    print_table(table, folder)


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
    """Segment images, compare with the truth if it is known, and print a row for each image."""
    table = run_cellprofiler(pipeline, images, folder, f"{prefix}_Image.csv")
    rows = table[list(CELL_COLUMNS)].rename(columns=CELL_COLUMNS).set_index("image").astype(int)
    if truth is not None:
        dice = table.set_index("FileName_Image")["Overlap_Ffactor_BloodCellMask"]
        rows = rows.join(truth).assign(**{"IoU of cells": dice / (2 - dice)})
    print_table(rows.sort_index().reset_index(), folder)


def print_table(table, folder):
    """Print a table, and where the results are."""
    print(table.to_string(index=False, na_rep="", float_format="{:.2f}".format))
    print(f"\nTables (CSV), masks and annotated pictures: {folder / 'output'}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
