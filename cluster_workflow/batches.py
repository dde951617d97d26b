"""Image sets in batches: list the image sets, divide them, run CellProfiler on a batch."""

import os
import tempfile
from pathlib import Path

from cluster_workflow.cellprofiler_log import read_cellprofiler_log
from cluster_workflow.image_sets import ImageSets
from micrograph_networks.errors import UserError
from micrograph_networks.files.writing import atomic_write, output_folder

BATCH_DATA = "Batch_data.h5"
"""CellProfiler's name for the file of CreateBatchFiles."""

IMAGE_SETS = "image_sets.json"
"""What is in BATCH_DATA of the image sets, beside it."""

LOG = "cellprofiler.log"
"""Name of what CellProfiler prints, in the folder of a batch."""

DONE = "done.txt"
"""Holds COMPLETE where a run went to its end: CellProfiler's option -d."""

COMPLETE = "Complete"


def prepare(cellprofiler, pipeline, folder, images=None):
    """List the image sets: let CellProfiler write Batch_data.h5, and say what is in it.

    Parameters
    ----------
    cellprofiler : CellProfiler
    pipeline, images : Path
        As :func:`cluster_workflow.checks.check` takes them.
    folder : Path
        Gets BATCH_DATA, IMAGE_SETS and a log.

    Raises
    ------
    UserError
        CellProfiler found no image sets, or cannot load the pipeline.
    """
    log = output_folder(folder) / "prepare.log"
    with tempfile.TemporaryDirectory(dir=folder, prefix=".prepare-") as temporary:
        batch_pipeline = Path(temporary) / "pipeline.cppipe"
        batch_data = Path(temporary) / BATCH_DATA
        text = cellprofiler.ask("pipeline", pipeline)["batch_pipeline"]
        batch_pipeline.write_text(text, encoding="utf-8")
        # Image set 1 only: what CellProfiler goes on with where CreateBatchFiles fails.
        options = ["-p", batch_pipeline, "-o", temporary, "-f", 1, "-l", 1]
        options += ["-i", images] if images else []
        cellprofiler.run(options, log)
        # CellProfiler ends with 1 after CreateBatchFiles: the file tells whether it went well.
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
    """First and last image numbers of batches that keep groups whole.

    Parameters
    ----------
    groups : sequence, (image sets,)
        What tells the group of each image set, those of a group side by side.
    size : int
        Image sets a batch, at least 1. A batch that ends within a group goes on to its end.

    Returns
    -------
    list of (int, int)
        Image numbers begin at 1, and both ends are in the batch.
    """
    ends = [i for i in range(1, len(groups) + 1) if i == len(groups) or groups[i] != groups[i - 1]]
    batches, first = [], 1
    for end in ends:
        if end - first + 1 >= size or end == len(groups):
            batches.append((first, end))
            first = end + 1
    return batches


def run(cellprofiler, batch_data, marker, threads=1, one_by_one=False):
    """Measure a batch.

    Parameters
    ----------
    cellprofiler : CellProfiler
    batch_data : Path
        With IMAGE_SETS beside it.
    marker : Path
        FIRST-LAST.txt, written when all is done: the names of the folders beside it that hold the
        results. Each is new, so that a forgotten run of the same batch cannot spoil them.
    threads : int
    one_by_one : bool
        Measure each image set (or group) in a process of its own, and go on when one dies. The
        last resort.

    Raises
    ------
    UserError
        CellProfiler did not go to its end.
    """
    first, last = map(int, marker.stem.split("-"))
    parts = [(first, last)]
    if one_by_one:
        groups = ImageSets.read(batch_data.with_name(IMAGE_SETS)).groups()[first - 1 : last]
        parts = [(first - 1 + a, first - 1 + b) for a, b in divide_into_batches(groups, 1)]
    folders = []
    for part in parts:
        folder = Path(tempfile.mkdtemp(prefix="{:07}-{:07}_".format(*part), dir=marker.parent))
        folder.chmod(0o755)
        _run_part(cellprofiler, batch_data, part, folder, threads)
        if not (one_by_one or _is_finished(folder, part)):
            raise UserError(
                f"CellProfiler did not finish: {read_cellprofiler_log(folder / LOG).run}"
            )
        folders.append(folder.name)
    with atomic_write(marker) as temporary:
        temporary.write_text("\n".join(folders) + "\n", encoding="utf-8")


def _is_finished(folder, part):
    """Whether repeating is of no use.

    Where all image sets have failed by themselves, ExportToSpreadsheet finds no objects, and fails.
    """
    numbers = range(part[0], part[1] + 1)
    return is_done(folder) or read_cellprofiler_log(folder / LOG).image_sets.keys() >= set(numbers)


def _run_part(cellprofiler, batch_data, part, folder, threads):
    with tempfile.TemporaryDirectory() as temporary:
        options = ["-p", batch_data, "-f", part[0], "-l", part[1], "-o", folder]
        options += ["-d", folder / DONE, "-t", temporary, "--always-continue"]
        cellprofiler.run(options, folder / LOG, threads)


def is_done(folder):
    """Whether CellProfiler went to its end, and wrote tables."""
    done = folder / DONE
    return done.exists() and done.read_text().strip() == COMPLETE and any(folder.rglob("*.csv"))
