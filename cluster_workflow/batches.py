"""Batches of image sets: list the image sets, divide them, measure a batch with CellProfiler."""

import os
import tempfile
from pathlib import Path

from cluster_workflow.cellprofiler_log import read_cellprofiler_log
from cluster_workflow.image_sets import ImageSets
from micrograph_networks.errors import UserError
from micrograph_networks.files.writing import atomic_write, output_folder

BATCH_DATA = "Batch_data.h5"
"""File that CellProfiler's module CreateBatchFiles writes."""

IMAGE_SETS = "image_sets.json"
"""File with the image sets of BATCH_DATA, in the same folder."""

LOG = "cellprofiler.log"
"""File with the output of CellProfiler, in the folder of a batch."""

DONE = "done.txt"
"""File in which CellProfiler reports that a run is complete (its option -d)."""


def prepare(cellprofiler, pipeline, folder, images=None):
    """List the image sets of a pipeline.

    Parameters
    ----------
    cellprofiler : CellProfiler
    pipeline : Path
        Pipeline file (.cppipe).
    folder : Path
        Output folder for BATCH_DATA, IMAGE_SETS and prepare.log.
    images : Path, optional
        Folder of images.

    Raises
    ------
    UserError
        CellProfiler cannot load the pipeline or finds no image sets.
    """
    log = output_folder(folder) / "prepare.log"
    with tempfile.TemporaryDirectory(dir=folder, prefix=".prepare-") as temporary:
        batch_pipeline = Path(temporary) / "pipeline.cppipe"
        batch_data = Path(temporary) / BATCH_DATA
        text = cellprofiler.ask("pipeline", pipeline)["batch_pipeline"]
        batch_pipeline.write_text(text, encoding="utf-8")
        # If CreateBatchFiles fails, CellProfiler measures image sets: limit that to the first.
        options = ["-p", batch_pipeline, "-o", temporary, "-f", 1, "-l", 1]
        if images:
            options += ["-i", images]
        cellprofiler.run(options, log)
        # CellProfiler's exit code is 1 even if CreateBatchFiles succeeds, so look for the file.
        if not batch_data.exists():
            reason = read_cellprofiler_log(log).run or "it found no image sets"
            raise UserError(f"CellProfiler cannot begin with {pipeline}: {reason} (see {log}).")
        image_sets = ImageSets.of_batch_data(cellprofiler, batch_data)
        if not image_sets.numbers:
            raise UserError(
                f"CellProfiler finds no image sets with {pipeline}: check images, and the rules of "
                f"the pipeline's first modules (see {log})."
            )
        image_sets.write(folder / IMAGE_SETS)
        os.replace(batch_data, folder / BATCH_DATA)


def divide_into_batches(groups, size):
    """Return the first and last image numbers of batches that keep groups together.

    Parameters
    ----------
    groups : sequence, (image sets,)
        Group of each image set; equal groups are adjacent.
    size : int
        Minimum number of image sets in a batch. A batch ends at the end of a group.

    Returns
    -------
    list of (int, int)
        Image numbers start at 1, and the last number belongs to the batch.
    """
    batches, first = [], 1
    for number in range(1, len(groups) + 1):
        last = number == len(groups)
        if last or (groups[number] != groups[number - 1] and number - first + 1 >= size):
            batches.append((first, number))
            first = number + 1
    return batches


def run(cellprofiler, batch_data, marker, threads=1, one_by_one=False):
    """Measure a batch.

    Parameters
    ----------
    cellprofiler : CellProfiler
    batch_data : Path
        BATCH_DATA, with IMAGE_SETS in the same folder.
    marker : Path
        FIRST-LAST.txt, written when the batch is complete. It lists the result folders, which are
        next to it. Every run makes new folders, so an abandoned run cannot change the results.
    threads : int
    one_by_one : bool
        Measure each image set (or group) in a process of its own and continue if one dies.

    Raises
    ------
    UserError
        CellProfiler did not finish.
    """
    first, last = map(int, marker.stem.split("-"))
    parts = [(first, last)]
    if one_by_one:
        groups = ImageSets.read(batch_data.with_name(IMAGE_SETS)).groups()[first - 1 : last]
        parts = [(first - 1 + a, first - 1 + b) for a, b in divide_into_batches(groups, 1)]
    folders = []
    for a, b in parts:
        folder = Path(tempfile.mkdtemp(prefix=f"{a:07}-{b:07}_", dir=marker.parent))
        folder.chmod(0o755)
        with tempfile.TemporaryDirectory() as temporary:
            options = ["-p", batch_data, "-f", a, "-l", b, "-o", folder, "-d", folder / DONE]
            options += ["-t", temporary, "--always-continue"]
            cellprofiler.run(options, folder / LOG, threads)
        log = read_cellprofiler_log(folder / LOG)
        # If all image sets failed, ExportToSpreadsheet fails too, and repeating would not help.
        all_failed = log.image_sets.keys() >= set(range(a, b + 1))
        if not (one_by_one or all_failed or is_done(folder)):
            raise UserError(f"CellProfiler did not finish: {log.run}")
        folders.append(folder.name)
    with atomic_write(marker) as temporary:
        temporary.write_text("\n".join(folders) + "\n", encoding="utf-8")


def is_done(folder):
    """Return True if CellProfiler finished and wrote tables."""
    done = folder / DONE
    return done.exists() and done.read_text().strip() == "Complete" and any(folder.rglob("*.csv"))
