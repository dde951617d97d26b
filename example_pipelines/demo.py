"""Rate the focus of real microscope images, sharp and defocused, with CellProfiler.

The images are the ExampleFly set that CellProfiler carries, and copies of them that
`focusqual degrade` has put out of focus. Everything is written below demo/, afresh each time.
"""

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
PIPELINE = ROOT / "example_pipelines" / "focus_qc.cppipe"
DEMO = ROOT / "demo"
IMAGES = DEMO / "images"
OUTPUT = DEMO / "output"
LOG = DEMO / "cellprofiler.log"
TABLE = OUTPUT / "FocusQC_Image.csv"
LEVELS = (3, 6, 10)

# Columns of TABLE, and what the printed table calls them.
COLUMNS = {
    "FileName_Image": "image",
    "ImageFocus_Score_Image": "score",
    "ImageFocus_Certainty_Image": "certainty",
    "Metadata_QCFlag": "flagged",
}


def collect_images():
    """Fill IMAGES with the example images and their defocused copies."""
    package = Path(find_spec("cellprofiler").origin).parent
    IMAGES.mkdir(parents=True)
    sharp = []
    for source in sorted((package / "data/examples/ExampleFly/images").glob("*.TIF")):
        sharp.append(shutil.copy(source, IMAGES))
    levels = [argument for level in LEVELS for argument in ("--level", str(level))]
    command = [sys.executable, "-m", "focusqual", "degrade", *sharp, *levels]
    subprocess.run([*command, "--output", IMAGES], check=True)


def run_cellprofiler():
    """Run PIPELINE on IMAGES, with a bar that advances image by image."""
    command = [Path(sys.executable).with_name("cellprofiler"), "-c", "-r", "-p", PIPELINE]
    command += ["-i", IMAGES, "-o", OUTPUT, "--plugins-directory", ROOT / "plugins"]
    OUTPUT.mkdir()
    environment = {"TF_CPP_MIN_LOG_LEVEL": "2", **os.environ}
    with (
        LOG.open("w") as log,
        tqdm(total=len(list(IMAGES.iterdir())), desc="CellProfiler", unit="image") as progress,
        subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process,
    ):
        for line in process.stdout:
            log.write(line)
            number = re.search(r"Image # (\d+), module", line)
            if number:
                progress.update(int(number[1]) - progress.n)
    # A plugin that could not be loaded leaves no table, but no error either.
    if process.returncode or not TABLE.exists():
        tail = "".join(LOG.read_text().splitlines(keepends=True)[-20:])
        sys.exit(f"{tail}\nCellProfiler failed; the lines above are the end of {LOG}")


def print_result():
    """Print a line an image, and where to look further."""
    table = pd.read_csv(TABLE)[list(COLUMNS)].rename(columns=COLUMNS)
    name = table["image"].str.extract(r"(.*?)(?:_level(\d+))?\.").astype({1: float})
    table.insert(1, "defocused to", name[1].map("level {:.0f}".format, na_action="ignore"))
    table = table.loc[name.sort_values([0, 1], na_position="first").index]
    table["score"] = table["score"].astype("Int64")
    table["flagged"] = table["flagged"].map({0: "no", 1: "yes"})
    print(table.to_string(index=False, na_rep="", float_format="{:.2f}".format))
    print(f"\nTables (CSV) and annotated pictures: {OUTPUT}")


if __name__ == "__main__":
    shutil.rmtree(DEMO, ignore_errors=True)
    collect_images()
    run_cellprofiler()
    print_result()
