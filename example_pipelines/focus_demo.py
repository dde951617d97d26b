"""Rate the focus of real microscope images, sharp and defocused, with CellProfiler.

    python example_pipelines/focus_demo.py [FOLDER]

The images are the ExampleFly set that CellProfiler carries, and copies of them that
`focusqual degrade` has put out of focus; or those of a folder. Everything is written below demo/,
afresh each time.
"""

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from runner import fresh_folder, own_folder, run_cellprofiler, run_tool

LEVELS = (3, 6, 10)

# Columns of the table, and what the printed table calls them.
COLUMNS = {
    "FileName_Image": "image",
    "ImageFocus_Score_Image": "score",
    "ImageFocus_Certainty_Image": "certainty",
    "Metadata_QCFlag": "flagged",
}


def main(own_images=None):
    """Rate the example images, or those of a folder, and print a line an image."""
    if own_images:
        images, folder = own_folder(own_images), fresh_folder("own/focus")
    else:
        folder = fresh_folder("focus")
        images = example_images(folder / "images")
    table = run_cellprofiler("focus_qc.cppipe", images, folder, "FocusQC_Image.csv")
    print_result(table)
    print(f"\nTables (CSV) and annotated pictures: {folder / 'output'}")


def example_images(folder):
    """Fill a new folder with the example images and their defocused copies."""
    package = Path(find_spec("cellprofiler").origin).parent
    folder.mkdir()
    sharp = []
    for source in sorted((package / "data/examples/ExampleFly/images").glob("*.TIF")):
        sharp.append(shutil.copy(source, folder))
    levels = [argument for level in LEVELS for argument in ("--level", level)]
    run_tool("focusqual", "degrade", *sharp, *levels, "--output", folder)
    return folder


def print_result(table):
    """Print a line an image; defocused copies follow their image."""
    table = table[list(COLUMNS)].rename(columns=COLUMNS)
    name = table["image"].str.extract(r"(.*?)(?:_level(\d+))?\.").astype({1: float})
    if name[1].notna().any():
        level = name[1].map("level {:.0f}".format, na_action="ignore")
        table.insert(1, "defocused to", level)
    table = table.loc[name.sort_values([0, 1], na_position="first").index]
    table["score"] = table["score"].astype("Int64")
    table["flagged"] = table["flagged"].map({0: "no", 1: "yes"})
    print(table.to_string(index=False, na_rep="", float_format="{:.2f}".format))


if __name__ == "__main__":
    main(*sys.argv[1:])
