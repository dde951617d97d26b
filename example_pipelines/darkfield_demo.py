"""Find blood cells and spirochaetes in dark-field images with CellProfiler.

    python example_pipelines/darkfield_demo.py [FOLDER]

The images are scenes that `segment-darkfield scenes` draws, together with their true masks; or
those of a folder. Everything is written below demo/, afresh each time.
"""

import sys

import pandas as pd
from runner import fresh_folder, own_folder, run_cellprofiler, run_tool

from micrograph_networks.images.image_files import read_image
from segment.evaluation.scores import confusion_matrix, scores

SCENES = 8
FOUND = {
    "FileName_Image": "image",
    "Count_BloodCells": "cells found",
    "Count_Spirochaetes": "spirochaetes found",
}
"""Columns of CellProfiler's table, and what the printed table calls them."""
TRUE = {"cells": "true cells", "spirochaetes": "true spirochaetes"}
"""Likewise for those of data.csv."""


def main(own_images=None):
    """Segment drawn scenes and compare with the truth, or segment the images of a folder."""
    if own_images:
        images, folder = own_folder(own_images), fresh_folder("own/darkfield")
        table = run_cellprofiler("darkfield_cells.cppipe", images, folder, "Darkfield_Image.csv")
        print_table(found(table))
    else:
        folder = fresh_folder("darkfield")
        truth = draw_scenes(folder)
        table = run_cellprofiler(
            "darkfield_evaluate.cppipe", folder / "images", folder, "DarkfieldEvaluation_Image.csv"
        )
        print_table(compared(table, truth))
        print(f"\nIoU of blood cells over all images: {joint_iou(folder, truth):.3f}")
    print(f"\nTables (CSV), masks and outlined pictures: {folder / 'output'}")


def draw_scenes(folder):
    """Draw images/ and, beside each image, its mask: white where a blood cell is.

    Returns
    -------
    pandas.DataFrame
        Name of each image, and how many cells and spirochaetes it has.
    """
    run_tool("segment", "scenes", "--output", folder, "--count", SCENES)
    masks = sorted((folder / "masks").iterdir())
    run_tool(
        *("segment", "convert-masks", *masks),
        *("--keep", "blood cell", "--output", folder / "images"),
    )
    truth = pd.read_csv(folder / "data.csv")
    truth["image"] = truth["images"].str.replace("images/", "", regex=False)
    return truth.set_index("image")[list(TRUE)].rename(columns=TRUE)


def found(table):
    """What CellProfiler found, a row an image."""
    rows = table[list(FOUND)].rename(columns=FOUND).set_index("image").sort_index()
    return rows.astype(int)


def compared(table, truth):
    """What was found beside what is there, with the IoU of blood cells."""
    dice = table.set_index("FileName_Image")["Overlap_Ffactor_BloodCellMask"]
    rows = found(table).join(truth).assign(IoU=dice / (2 - dice))
    order = ("cells found", "true cells", "IoU", "spirochaetes found", "true spirochaetes")
    return rows[list(order)].rename(columns={"IoU": "IoU of cells"})


def joint_iou(folder, truth):
    """IoU of blood cells, the pixels of all images taken together."""
    matrix = 0
    for name in truth.index.str.replace(".png", "", regex=False):
        true = read_image(folder / "images" / f"{name}_mask.png") > 0
        saved = read_image(folder / "output" / f"{name}_cells.png") > 0
        matrix = matrix + confusion_matrix(true, saved, 2)
    return scores(matrix).iou[1]


def print_table(rows):
    """Print a line an image."""
    rows = rows.reset_index()
    print(rows.to_string(index=False, na_rep="", float_format="{:.3f}".format))


if __name__ == "__main__":
    main(*sys.argv[1:])
