"""Profiles without what is out of focus: CellProfiler's tables through CytoTable and pycytominer.

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
"""What CytoTable's presets take from the table of images."""
FOCUS = (
    r"COLUMNS('^(?:Image_)?(?:Metadata_)?((?:ImageFocus_|(?:Plate|Well|Site)$).*)')"
    r" AS 'Metadata_\1'"
)
"""What they drop: focus and place of the image. pycytominer keeps columns of Metadata_."""
WELL = ["Metadata_Plate", "Metadata_Well"]


def joins_with_focus(preset):
    """A preset's joins that keep Metadata_ImageFocus_* of the image, and plate, well and site."""
    joins = config[preset]["CONFIG_JOINS"]
    if FILES not in joins:
        sys.exit(
            f"CytoTable's preset {preset} is another one than is known here: add {FOCUS} to it."
        )
    return joins.replace(FILES, f"{FILES}, {FOCUS}")


def cell_table(tables, output):
    """CellProfiler's tables as one, a row a cell, in cells.parquet."""
    kind = "csv" if tables.is_dir() else "sqlite"
    preset = f"cellprofiler_{kind}"
    path = output / "cells.parquet"
    path.unlink(missing_ok=True)
    # Threads of this process: the processes that CytoTable would start are for clusters.
    threads = [parsl.ThreadPoolExecutor()]
    convert(
        source_path=str(tables.resolve()),
        source_datatype=kind,
        dest_path=str(path.resolve()),
        preset=preset,
        joins=joins_with_focus(preset),
        parsl_config=parsl.Config(executors=threads, run_dir=str(output / "runinfo")),
    )
    shutil.rmtree(output / "runinfo")
    cells = pd.read_parquet(path)
    # Of objects, too, the focus judges a profile, and is no part of it.
    cells = cells.rename(columns=lambda c: f"Metadata_{c}" if "_ImageFocus_Mean" in c else c)
    cells.to_parquet(path)
    return cells


def verdicts(cells, image, out_of_focus_from):
    """Of each cell whether its image and its own place in it are in focus."""
    score, certainty = (cells[f"Metadata_ImageFocus_{n}_{image}"] for n in ("Score", "Certainty"))
    own = cells[f"Metadata_Cells_ImageFocus_MeanLevel_{image}"]
    image_in_focus = (score < out_of_focus_from) & (certainty >= 0.1)
    return image_in_focus, image_in_focus & (own < out_of_focus_from)


def features_of(cells):
    """Measured numbers, but where in the image something is, and columns without a value."""
    numbers = cells.select_dtypes("number").dropna(axis="columns", how="any")
    return [
        column
        for column in numbers.filter(regex="^(Nuclei|Cells|Cytoplasm)_(AreaShape|Intensity)_")
        if not any(word in column for word in ("Center", "BoundingBox", "Orientation"))
    ]


def profiles_of(cells, features):
    """A profile a well: medians of the cells."""
    return aggregate(cells, strata=WELL, features=features, operation="median")


def spread(wells, features):
    """How far wells lie apart: the median, over the features, of MAD / |median|."""
    middle = wells[features].median()
    away = (wells[features] - middle).abs().median()
    return float((away / middle.abs())[middle != 0].median())


def main():
    """Convert, leave out, make profiles, and print numbers before and after."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("tables", type=Path, help="folder of CSVs, or NAME.sqlite")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument(
        "--image", default="Image", help="CellProfiler's name of the image measured"
    )
    parser.add_argument("--out-of-focus-from", type=float, default=2, help="level")
    chosen = parser.parse_args()
    if not chosen.tables.exists():
        parser.error(f"{chosen.tables} does not exist: check the path.")
    chosen.output.mkdir(parents=True, exist_ok=True)
    cells = cell_table(chosen.tables, chosen.output)
    image_in_focus, in_focus = verdicts(cells, chosen.image, chosen.out_of_focus_from)
    features = features_of(cells)
    print(f"{'':28} {'cells':>7} {'wells':>7} {'spread of the wells':>21}")
    for name, kept in (
        ("all", cells),
        ("image in focus", cells[image_in_focus]),
        ("image and own place in focus", cells[in_focus]),
    ):
        wells = profiles_of(kept, features)
        print(f"{name:28} {len(kept):7} {len(wells):7} {spread(wells, features):21.4f}")
    cells[in_focus].to_parquet(chosen.output / "cells_in_focus.parquet")
    # After the last one, in focus: as z-scores.
    normalized = normalize(wells, features=features, meta_features=WELL, method="standardize")
    normalized.to_parquet(chosen.output / "profiles.parquet")
    print(f"Wrote cells_in_focus.parquet and profiles.parquet into {chosen.output}")


if __name__ == "__main__":
    main()
