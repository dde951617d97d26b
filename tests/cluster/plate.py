"""A small plate and pipelines for it."""

import csv
import re
import sys
from pathlib import Path

import imageio.v2 as imageio
import numpy as np

from cluster_workflow.cellprofiler_process import CellProfiler
from segment.simulation.scenes import darkfield_scene

ROOT = Path(__file__).resolve().parent.parent.parent
CELLPROFILER = Path(sys.executable).with_name("cellprofiler")
COMMAND = f"{CELLPROFILER} --plugins-directory {ROOT / 'plugins'}"
PROGRAM = CellProfiler(COMMAND)
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


def draw_plate(folder, wells=WELLS, sites=2):
    """Write the images of a plate; the file named BROKEN is not an image."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for well in wells:
        for site in range(1, sites + 1):
            path = folder / f"plate_{well}_s{site}.png"
            imageio.imwrite(path, darkfield_scene(rng, (168, 200)).image)
    (folder / BROKEN).write_text("not an image")


def list_plate(folder, path):
    """Write a CSV file for LoadData."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        names = ("FileName_Image", "PathName_Image")
        writer.writerow([*names, "Metadata_Plate", "Metadata_Well", "Metadata_Site"])
        for image in sorted(folder.glob("*.png")):
            plate, well, site = image.stem.split("_")
            writer.writerow([image.name, folder, plate, well, site[1:]])


def write_pipeline_of_both(path):
    """Write a pipeline of LoadData and the example pipelines of both modules."""
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
    """Return the rows of a table without the run times of modules."""
    with path.open(newline="") as file:
        return [
            {name: row[name] for name in row if not name.startswith("ExecutionTime_")}
            for row in csv.DictReader(file)
        ]
