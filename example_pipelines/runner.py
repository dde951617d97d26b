"""Run CellProfiler on a folder of images: what the demos and the benchmarks share."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from cellprofiler_core.constants.image import SUPPORTED_IMAGE_EXTENSIONS
from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
PIPELINES = ROOT / "example_pipelines"
DEMO = ROOT / "demo"
STEP = re.compile(r"Image # (\d+), module (\w+) # \d+: .* Wall_time = ([\d.]+) secs")


class Step(NamedTuple):
    """One module has run on one image set, so many seconds after the start of its process."""

    process: int
    image_set: int
    module: str
    seconds: float
    since_start: float


def fresh_folder(name):
    """Make an empty folder below demo/, in place of that of the last time."""
    folder = DEMO / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def image_files(folder):
    """Images in a folder and its subfolders: neither hidden ones, nor masks beside their image."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in SUPPORTED_IMAGE_EXTENSIONS
        and not path.stem.endswith("_mask")
        and not any(part.startswith(".") for part in path.parent.parts)
    ]


def own_folder(name):
    """Check the folder that a user has named, and exit with a sentence where it is of no use."""
    folder = Path(name).resolve()
    if not folder.is_dir():
        sys.exit(f"The folder {name} does not exist: check the path after IMAGES=.")
    if not image_files(folder):
        sys.exit(f"The folder {name} holds no image: give one with PNG, TIFF or JPEG files.")
    return folder


def run_tool(*arguments):
    """Run a command line of this repository, such as ``focusqual degrade``."""
    subprocess.run([sys.executable, "-m", *map(str, arguments)], cwd=ROOT, check=True)


def run_cellprofiler(pipeline, images, folder, table):
    """Run a pipeline of example_pipelines/ on images, with a bar that advances image by image.

    Parameters
    ----------
    pipeline : str
        Name of the file.
    images : Path
        Folder of the images.
    folder : Path
        Gets output/ and cellprofiler.log.
    table : str
        Name of a CSV that the pipeline writes to output/.

    Returns
    -------
    pandas.DataFrame
        What the table holds.
    """
    output, log = folder / "output", folder / "cellprofiler.log"
    output.mkdir()
    with tqdm(desc="CellProfiler", unit="image", total=len(image_files(images))) as progress:
        try:
            for step in cellprofiler_steps(PIPELINES / pipeline, images, output, log):
                progress.update(step.image_set - progress.n)
        except subprocess.CalledProcessError:
            _exit_with_end_of(log)
    # A plugin that could not be loaded leaves no table, but no error either.
    if not (output / table).exists():
        _exit_with_end_of(log)
    return pd.read_csv(output / table)


def cellprofiler_steps(pipeline, images, output, log):
    """Run a pipeline with the modules of this repository, and follow it.

    Parameters
    ----------
    pipeline, images, output : Path
        A pipeline file, the folder of its images, and that of its results.
    log : Path
        Gets what CellProfiler prints.

    Yields
    ------
    Step
        As soon as it is done.

    Raises
    ------
    subprocess.CalledProcessError
        CellProfiler failed.
    """
    command = [Path(sys.executable).with_name("cellprofiler"), "-c", "-r"]
    command += ["-p", pipeline, "-i", images, "-o", output]
    command += ["--plugins-directory", ROOT / "plugins"]
    environment = {"TF_CPP_MIN_LOG_LEVEL": "2", **os.environ}
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    start = time.perf_counter()
    with log.open("w") as file, subprocess.Popen(command, env=environment, **piped) as process:
        for line in process.stdout:
            file.write(line)
            step = STEP.search(line)
            if step:
                since_start = time.perf_counter() - start
                yield Step(process.pid, int(step[1]), step[2], float(step[3]), since_start)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)


def _exit_with_end_of(log):
    tail = "".join(log.read_text().splitlines(keepends=True)[-20:])
    sys.exit(f"{tail}\nCellProfiler failed; the lines above are the end of {log}")
