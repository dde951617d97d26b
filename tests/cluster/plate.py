"""A small plate, and pipelines for it."""

import csv
import re
import sys
from importlib.metadata import distributions
from pathlib import Path

import imageio.v2 as imageio
import numpy as np
import pytest

from cluster_workflow.cellprofiler_process import CellProfiler
from segment.simulation.scenes import darkfield_scene

ROOT = Path(__file__).resolve().parent.parent.parent
CELLPROFILER = Path(sys.executable).with_name("cellprofiler")
COMMAND = f"{CELLPROFILER} --plugins-directory {ROOT / 'plugins'}"
PROGRAM = CellProfiler(COMMAND)
CELLPROFILER_4 = "cellprofiler" in {found.metadata["Name"].lower() for found in distributions()}
"""Version 5 is installed as cellprofiler-nightly."""
needs_cellprofiler_4 = pytest.mark.skipif(
    not CELLPROFILER_4, reason="the workflow is for CellProfiler 4"
)
EXAMPLES = ROOT / "example_pipelines"
FOCUS = EXAMPLES / "focus_qc.cppipe"
WELLS = ("B02", "B03", "B04", "C02", "C03", "C04")
BROKEN = "plate_B03_s2.png"

LOAD_DATA = """\
LoadData:[module_num:1|svn_version:'Unknown'|variable_revision_number:6|show_window:False|\
notes:[]|batch_state:array([], dtype=uint8)|enabled:True|wants_pause:False]
    Input data file location:Elsewhere...|
    Name of the file:None
    Load images based on this data?:Yes
    Base image location:Default Input Folder|
    Process just a range of rows?:No
    Rows to process:1,100000
    Group images by metadata?:No
    Select metadata tags for grouping:
    Rescale intensities?:Yes
"""


def draw_plate(folder, wells=WELLS, sites=4):
    """Images of a plate, one of which is no image; its name is BROKEN."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for well in wells:
        for site in range(1, sites + 1):
            path = folder / f"plate_{well}_s{site}.png"
            imageio.imwrite(path, darkfield_scene(rng, (168, 200)).image)
    (folder / BROKEN).write_text("not an image")


def list_plate(folder, path):
    """A CSV for LoadData."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        names = ("FileName_Image", "PathName_Image")
        writer.writerow([*names, "Metadata_Plate", "Metadata_Well", "Metadata_Site"])
        for image in sorted(folder.glob("*.png")):
            plate, well, site = image.stem.split("_")
            writer.writerow([image.name, folder, plate, well, site[1:]])


def write_pipeline_of_both(path):
    """The example pipelines of both modules, one behind the other, after LoadData."""
    modules = [LOAD_DATA]
    for name in ("focus_qc", "darkfield_cells"):
        head, *blocks = (EXAMPLES / f"{name}.cppipe").read_text().rstrip("\n").split("\n\n")
        # The first four are Images, Metadata, NamesAndTypes and Groups.
        modules += [block + "\n" for block in blocks[4:]]
    numbered = [
        re.sub(r"module_num:\d+", f"module_num:{number}", module)
        for number, module in enumerate(modules, start=1)
    ]
    head = re.sub(r"ModuleCount:\d+", f"ModuleCount:{len(modules)}", head)
    path.write_text("\n".join([head + "\n", *numbered]))


def read_table(path):
    """Rows of a table, without what differs from run to run: how long modules took."""
    with path.open(newline="") as file:
        return [
            {name: row[name] for name in row if not name.startswith("ExecutionTime_")}
            for row in csv.DictReader(file)
        ]
