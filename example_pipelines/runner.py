"""Run CellProfiler on a folder of images, with a bar: what the demos of all modules share."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
from cellprofiler_core.constants.image import SUPPORTED_IMAGE_EXTENSIONS
from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
PIPELINES = ROOT / "example_pipelines"
DEMO = ROOT / "demo"


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
    command = [Path(sys.executable).with_name("cellprofiler"), "-c", "-r"]
    command += ["-p", PIPELINES / pipeline, "-i", images, "-o", output]
    command += ["--plugins-directory", ROOT / "plugins"]
    output.mkdir()
    failed = _follow(command, log, len(image_files(images)))
    # A plugin that could not be loaded leaves no table, but no error either.
    if failed or not (output / table).exists():
        tail = "".join(log.read_text().splitlines(keepends=True)[-20:])
        sys.exit(f"{tail}\nCellProfiler failed; the lines above are the end of {log}")
    return pd.read_csv(output / table)


def _follow(command, log, total):
    """Write what a command prints to a file, and show its progress; the exit status."""
    environment = {"TF_CPP_MIN_LOG_LEVEL": "2", **os.environ}
    with (
        log.open("w") as file,
        tqdm(desc="CellProfiler", unit="image", total=total) as progress,
        subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process,
    ):
        for line in process.stdout:
            file.write(line)
            number = re.search(r"Image # (\d+), module", line)
            if number:
                progress.update(int(number[1]) - progress.n)
    return process.returncode
