"""The Snakemake workflow on this machine and on a Slurm of one node, with processes killed.

`make test-tools` runs it: it takes minutes, and needs the environment .venv-tools.
"""

import os
import signal
import subprocess
import tempfile
import threading
import time
from functools import partial
from pathlib import Path

import psutil
import pytest
from plate import (
    BROKEN,
    COMMAND,
    FOCUS,
    ROOT,
    draw_plate,
    list_plate,
    read_table,
    write_pipeline_of_both,
)
from slurm import missing, slurm

from cluster_workflow.batches import LOG, is_done, run
from cluster_workflow.cellprofiler_log import read_cellprofiler_log
from cluster_workflow.cellprofiler_process import CellProfiler
from cluster_workflow.merge import FAILURES

SNAKEMAKE = ROOT / ".venv-tools" / "bin" / "snakemake"
SNAKEFILE = ROOT / "cluster_workflow" / "Snakefile"
IMAGES = ("FocusQC_Image.csv", "Darkfield_Image.csv")
OTHERS = ("FocusQC_FocusPatches.csv", "Darkfield_BloodCells.csv", "Darkfield_Spirochaetes.csv")
SLURM = ["--executor", "slurm", "--jobs", "100", "--slurm-status-command", "squeue"]
SLURM += ["--slurm-init-seconds-before-status-checks", "2"]
NUMBER = "ImageNumber"

pytestmark = pytest.mark.tools


def start(folder, *options, environment=None, **settings):
    """Start Snakemake in a folder, with its output in snakemake.log."""
    command = [SNAKEMAKE, "-s", SNAKEFILE, *options, "--config"]
    command += [f"{name}={value}" for name, value in {"cellprofiler": COMMAND, **settings}.items()]
    with (folder / "snakemake.log").open("a") as log:
        return subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )


def finish(process, folder):
    assert process.wait() == 0, (folder / "snakemake.log").read_text()


def is_alive(process):
    return process.poll() is None


def wait_for(condition, is_running):
    """Wait for a condition and return its value."""
    while not (met := condition()):
        assert is_running(), "the process ended before"
        time.sleep(0.05)
    return met


def kill_cellprofiler(batches, first, module, is_running):
    """Kill the process of a batch after a module has run on its first image set.

    Return the folder that the process has begun.
    """
    process = wait_for(lambda: find_cellprofiler(batches, first), is_running)
    line = f": Image # {first}, module {module} #"
    logs = f"{first:07}-*/cellprofiler.log"
    wait_for(lambda: any(line in log.read_text() for log in batches.glob(logs)), is_running)
    # Find the folder before the kill, because the batch may be repeated at once.
    (begun,) = batches.glob(f"{first:07}-*_*")
    process.kill()
    return begun


def find_cellprofiler(batches, first):
    """Find the process with the folder of a batch in its options; Snakemake has its marker."""
    begin = str(batches / f"{first:07}-")
    for process in psutil.process_iter(["cwd", "cmdline"]):
        paths = [
            os.path.join(process.info["cwd"] or "", option)
            for option in process.info["cmdline"] or []
        ]
        if any(path.startswith(begin) and not path.endswith(".txt") for path in paths):
            return process
    return None


@pytest.fixture(scope="module")
def plate(tmp_path_factory):
    """12 images, one of them broken, their table for LoadData, and a pipeline of both modules."""
    folder = tmp_path_factory.mktemp("plate")
    draw_plate(folder / "images")
    list_plate(folder / "images", folder / "plate.csv")
    write_pipeline_of_both(folder / "both.cppipe")
    return {
        "pipeline": folder / "both.cppipe",
        "load_data": folder / "plate.csv",
        "images_per_batch": 4,
    }


@pytest.fixture(scope="module")
def undisturbed(plate, tmp_path_factory):
    """Results of the plate without Slurm and without kills."""
    folder = tmp_path_factory.mktemp("undisturbed")
    finish(start(folder, **plate), folder)
    return folder / "results"


def test_every_image_set_is_measured_or_has_failed(undisturbed):
    for name in IMAGES:
        rows = read_table(undisturbed / "tables" / name)
        assert [int(row[NUMBER]) for row in rows] == list(range(1, 13))
        assert [row["FileName_Image"] for row in rows if row["Failure"]] == [BROKEN]
    (row,) = read_table(undisturbed / "tables" / FAILURES)
    assert (row["Metadata_Well"], row["Metadata_Site"], row["FileName_Image"]) == (
        "B03",
        "2",
        BROKEN,
    )
    assert (row["Module"], BROKEN in row["Reason"]) == ("LoadData", True)
    for name in OTHERS:
        rows = read_table(undisturbed / "tables" / name)
        assert rows and int(row[NUMBER]) not in {int(other[NUMBER]) for other in rows}


@pytest.mark.skipif(bool(missing()), reason=str(missing()))
def test_slurm_with_a_batch_killed_gives_the_same(plate, undisturbed, tmp_path):
    batches = tmp_path / "results" / "batches"
    # The path of a socket must be short.
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder, slurm(Path(folder)) as environment:
        process = start(tmp_path, *SLURM, environment=environment, **plate)
        is_running = partial(is_alive, process)
        killed = kill_cellprofiler(batches, 9, "ExportToSpreadsheet", is_running)
        finish(process, tmp_path)
    for name in (*IMAGES, *OTHERS, FAILURES):
        assert read_table(tmp_path / "results" / "tables" / name) == read_table(
            undisturbed / "tables" / name
        )
    # The batch was repeated, and the folder of the killed process was removed.
    assert not killed.exists()
    assert len(list(batches.glob("*_*"))) == len(list(batches.glob("*.txt"))) == 3


def test_last_resort_loses_only_what_dies(plate, undisturbed, tmp_path):
    batches = tmp_path / "batches"
    batches.mkdir()
    marker = batches / "0000001-0000002.txt"
    program = CellProfiler(f"{COMMAND} --data-file {plate['load_data']}")
    arguments = (program, undisturbed / "Batch_data.h5", marker, 1, True)
    thread = threading.Thread(target=run, args=arguments)
    thread.start()
    kill_cellprofiler(batches, 1, "LoadData", thread.is_alive)
    thread.join()
    died, measured = (batches / name for name in marker.read_text().split())
    assert not is_done(died) and read_cellprofiler_log(died / LOG).run == "Killed by SIGKILL"
    assert is_done(measured) and not read_cellprofiler_log(measured / LOG).image_sets


def test_kill_of_everything_is_resumed(tmp_path):
    draw_plate(tmp_path / "images", wells=("B02", "B03"))
    settings = {"pipeline": FOCUS, "images": "images", "images_per_batch": 2}
    batches = tmp_path / "results" / "batches"
    process = start(tmp_path, "--cores", "1", **settings)
    done = wait_for(
        lambda: len(list(batches.glob("*_*"))) == 2 and list(batches.glob("*.txt")),
        partial(is_alive, process),
    )[0]
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    written = done.stat().st_mtime_ns
    finish(start(tmp_path, "--unlock", **settings), tmp_path)
    finish(start(tmp_path, "--cores", "1", **settings), tmp_path)
    assert done.stat().st_mtime_ns == written
    assert len(list(batches.glob("*_*"))) == len(list(batches.glob("*.txt"))) == 2
    rows = read_table(tmp_path / "results" / "tables" / "FocusQC_Image.csv")
    assert [int(row[NUMBER]) for row in rows] == [1, 2, 3, 4]
    assert [row["FileName_Image"] for row in rows if row["Failure"]] == [BROKEN]


def test_mistakes_are_told_in_a_sentence(tmp_path):
    process = start(tmp_path, images=".", pipeline="nowhere.cppipe")
    assert process.wait() == 1
    printed = (tmp_path / "snakemake.log").read_text()
    assert "\nnowhere.cppipe is not a pipeline file: give a .cppipe that" in printed
    assert "Traceback" not in printed
