"""Run CellProfiler on a folder of images, for the demo and the benchmarks."""

import os
import re
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
STEP = re.compile(r"Image # (\d+), module (\w+) # \d+: .* Wall_time = ([\d.]+) secs")


class Step(NamedTuple):
    """Run time of a module on an image set, and seconds since the start of the process."""

    process: int
    image_set: int
    module: str
    seconds: float
    since_start: float


def image_files(folder):
    """Return the images in a folder and its subfolders, without hidden files and masks."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in SUPPORTED_IMAGE_EXTENSIONS
        and not path.stem.endswith("_mask")
        and not any(part.startswith(".") for part in path.parent.parts)
    ]


def run_cellprofiler(pipeline, images, folder, table):
    """Run a pipeline of example_pipelines/ with a progress bar and return one of its tables.

    Parameters
    ----------
    pipeline : str
        Name of the pipeline file.
    images : Path
        Folder of the images.
    folder : Path
        Folder for output/ and cellprofiler.log.
    table : str
        Name of a CSV file that the pipeline writes to output/.

    Returns
    -------
    pandas.DataFrame
    """
    output, log = folder / "output", folder / "cellprofiler.log"
    output.mkdir()
    with tqdm(desc="CellProfiler", unit="image", total=len(image_files(images))) as progress:
        try:
            for step in cellprofiler_steps(PIPELINES / pipeline, images, output, log):
                progress.update(step.image_set - progress.n)
            return pd.read_csv(output / table)
        # If a plugin cannot be loaded, CellProfiler reports no error but writes no table.
        except (subprocess.CalledProcessError, FileNotFoundError):
            end = "\n".join(log.read_text().splitlines()[-20:])
            sys.exit(f"{end}\nCellProfiler failed; the lines above are the end of {log}")


def cellprofiler_steps(pipeline, images, output, log):
    """Run a pipeline with the modules of this repository and follow its progress.

    Parameters
    ----------
    pipeline, images, output : Path
        Pipeline file, folder of its images and folder for its results.
    log : Path
        File for the output of CellProfiler.

    Yields
    ------
    Step
        One for each module and image set.

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
