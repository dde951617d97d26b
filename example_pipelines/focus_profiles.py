"""Make profiles of in-focus cells from CellProfiler's tables, by CytoTable and pycytominer.

.venv-tools/bin/python example_pipelines/focus_profiles.py TABLES --output profiles --image Image

TABLES is the folder of Image.csv, Nuclei.csv, Cells.csv and Cytoplasm.csv, as focus_profiles.cppipe
writes it, or a database of ExportToDatabase, NAME.sqlite, with a table per object type, no prefix.
"""

import argparse
import shutil
import sys
from pathlib import Path

import pandas as pd
import parsl
from cytotable import convert
from cytotable.presets import config
from pycytominer import aggregate, normalize

FILES = "COLUMNS('Image_FileName_.*')"
"""Columns that CytoTable's presets take from the table of images."""
FOCUS = (
    r"COLUMNS('^(?:Image_)?(?:Metadata_)?((?:ImageFocus_|(?:Plate|Well|Site)$).*)')"
    r" AS 'Metadata_\1'"
)
"""Columns added to them: focus and position. pycytominer keeps columns named Metadata_*."""
WELL = ["Metadata_Plate", "Metadata_Well"]


def cell_table(tables, output):
    """Convert CellProfiler's tables to cells.parquet, with a row for each cell, and return it."""
    kind = "csv" if tables.is_dir() else "sqlite"
    preset = f"cellprofiler_{kind}"
    joins = config[preset]["CONFIG_JOINS"]
    if FILES not in joins:
        sys.exit(f"CytoTable's preset {preset} is not the expected one: add {FOCUS} to it.")
    path = output / "cells.parquet"
    path.unlink(missing_ok=True)
    # Threads, because CytoTable's processes are for clusters.
    executors = [parsl.ThreadPoolExecutor()]
    convert(
        source_path=str(tables.resolve()),
        source_datatype=kind,
        dest_path=str(path.resolve()),
        preset=preset,
        joins=joins.replace(FILES, f"{FILES}, {FOCUS}"),
        parsl_config=parsl.Config(executors=executors, run_dir=str(output / "runinfo")),
    )
    shutil.rmtree(output / "runinfo")
    cells = pd.read_parquet(path)
    # The focus of objects is metadata, too: it selects cells and is not part of their profile.
    cells = cells.rename(columns=lambda c: f"Metadata_{c}" if "_ImageFocus_Mean" in c else c)
    cells.to_parquet(path)
    return cells


def in_focus(cells, image, out_of_focus_from):
    """Return two Boolean series: the image of a cell is in focus; the cell itself is, too."""
    score = cells[f"Metadata_ImageFocus_Score_{image}"]
    certainty = cells[f"Metadata_ImageFocus_Certainty_{image}"]
    level = cells[f"Metadata_Cells_ImageFocus_MeanLevel_{image}"]
    image_in_focus = (score < out_of_focus_from) & (certainty >= 0.1)
    return image_in_focus, image_in_focus & (level < out_of_focus_from)


def features_of(cells):
    """Return the names of numeric features without positions and without missing values."""
    numbers = cells.select_dtypes("number").dropna(axis="columns", how="any")
    return [
        column
        for column in numbers.filter(regex="^(Nuclei|Cells|Cytoplasm)_(AreaShape|Intensity)_")
        if not any(word in column for word in ("Center", "BoundingBox", "Orientation"))
    ]


def spread(wells, features):
    """Return the spread between wells: the median over the features of MAD / |median|."""
    median = wells[features].median()
    deviation = (wells[features] - median).abs().median()
    return float((deviation / median.abs())[median != 0].median())


def main():
    """Convert tables, select cells, make profiles, and print numbers before and after."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("tables", type=Path, help="folder of CSV files, or NAME.sqlite")
    parser.add_argument("--output", type=Path, required=True, help="output folder")
    parser.add_argument("--image", default="Image", help="name of the measured image (Image)")
    parser.add_argument(
        "--out-of-focus-from", type=float, default=2, help="defocus level, 0 to 10 (2)"
    )
    chosen = parser.parse_args()
    if not chosen.tables.exists():
        parser.error(f"{chosen.tables} does not exist: check the path.")
    chosen.output.mkdir(parents=True, exist_ok=True)
    cells = cell_table(chosen.tables, chosen.output)
    image_in_focus, cell_in_focus = in_focus(cells, chosen.image, chosen.out_of_focus_from)
    features = features_of(cells)
    print(f"{'':28} {'cells':>7} {'wells':>7} {'spread of the wells':>21}")
    for name, kept in (
        ("all", cells),
        ("image in focus", cells[image_in_focus]),
        ("image and cell in focus", cells[cell_in_focus]),
    ):
        wells = aggregate(kept, strata=WELL, features=features, operation="median")
        print(f"{name:28} {len(kept):7} {len(wells):7} {spread(wells, features):21.4f}")
    kept.to_parquet(chosen.output / "cells_in_focus.parquet")
    # Z-scores of the wells with the last selection.
    normalized = normalize(wells, features=features, meta_features=WELL, method="standardize")
    normalized.to_parquet(chosen.output / "profiles.parquet")
    print(f"Wrote cells_in_focus.parquet and profiles.parquet into {chosen.output}")


if __name__ == "__main__":
    main()
