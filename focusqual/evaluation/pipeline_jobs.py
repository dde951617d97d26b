"""Run a pipeline of CellProfiler on images at several levels of defocus, in other processes."""

import contextlib
import hashlib
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Set

from focusqual.levels import LEVEL_DEPTH
from focusqual.simulation.defocus import point_spread_function
from micrograph_networks import __version__
from micrograph_networks.errors import UserError
from micrograph_networks.files.reading import read_file
from micrograph_networks.files.writing import atomic_write, output_folder
from micrograph_networks.progress import Progress

PROGRAM = "micrograph_networks.cellprofiler.blurred_pipeline"
"""Module that runs in CellProfiler's process."""
IMAGE_SET = re.compile(rb"Image set \d+ of (\d+)")
"""Line that it logs for each image set."""
NOT_INSTALLED = "No module named 'cellprofiler_core'"
LARGEST = 2**40
"""Largest allowed size of an image file in bytes."""
Measurements = Dict[str, Dict[str, List[Sequence[float]]]]
"""Number, median, mean and variance by object (or Image), feature and image set."""


class Assay(NamedTuple):
    """A pipeline and its images.

    Attributes
    ----------
    pipeline : Path
        A .cppipe file.
    images : list of Path
        All files of the image sets.
    channel : str, optional
        Name in the pipeline of the images to blur; None if all have the same.
    all_channels : bool
        Blur all images instead.
    plugins : Path, optional
        Folder of CellProfiler's plugins.
    """

    pipeline: Path
    images: Sequence[Path]
    channel: Optional[str] = None
    all_channels: bool = False
    plugins: Optional[Path] = None

    def job(self, level: int) -> Dict[str, Any]:
        """Return the job of CellProfiler's process at a level."""
        return {
            "pipeline": os.path.abspath(self.pipeline),
            "plugins": self.plugins and os.path.abspath(self.plugins),
            "images": [os.path.abspath(path) for path in self.images],
            "channel": self.channel,
            "all_channels": self.all_channels,
            "kernel": point_spread_function(level * LEVEL_DEPTH).tolist() if level else None,
        }

    def digest(self) -> str:
        """Return a hash of the contents of all files and of the version of this package."""
        digest = hashlib.sha256(__version__.encode())
        for path in (self.pipeline, *self.images):
            digest.update(hashlib.sha256(read_file(path, LARGEST)).digest())
        return digest.hexdigest()


@dataclass
class _Processes:
    """Processes of CellProfiler, which write measurements and logs into a folder."""

    folder: Path
    digest: str
    levels: int
    progress: Progress
    running: Set[subprocess.Popen] = field(default_factory=set)

    def measure(self, level: int, job: Dict[str, Any]) -> Measurements:
        """Return the measurements at a level, from an earlier run or a new process."""
        text = json.dumps(job)
        key = hashlib.sha256((self.digest + text).encode()).hexdigest()[:16]
        path = self.folder / f"level_{level}_{key}.json"
        # A damaged file is measured again.
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
            return json.loads(path.read_text(encoding="utf-8"))["measurements"]
        log, job_file = (self.folder / f"level_{level}.{suffix}" for suffix in ("log", "job"))
        job_file.write_text(text, encoding="utf-8")
        with atomic_write(path) as temporary:
            self._run([job_file, temporary], log)
            if not temporary.exists():
                raise UserError(_failure(log))
            answer = json.loads(temporary.read_text(encoding="utf-8"))
            if "error" in answer:
                raise UserError(f"{answer['error']} The log of CellProfiler is {log}.")
        return answer["measurements"]

    def _run(self, arguments: List[Path], log: Path) -> None:
        """Run CellProfiler, save its output and show its progress."""
        command = [sys.executable, "-m", PROGRAM, *map(os.path.abspath, arguments)]
        # With more threads, sums have another order and last digit.
        environment = {"TF_CPP_MIN_LOG_LEVEL": "2", **os.environ, "OMP_NUM_THREADS": "1"}
        with log.open("wb") as file, subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process:
            self.running.add(process)
            for line in process.stdout or ():
                file.write(line)
                found = IMAGE_SET.search(line)
                if found:
                    self.progress.total = self.levels * int(found[1])
                    self.progress.update()
        self.running.discard(process)

    def stop(self) -> None:
        """End all processes that run."""
        for process in list(self.running):
            process.terminate()


def measure_levels(
    assay: Assay, levels: Sequence[int], folder: Path, processes: int
) -> Dict[int, Measurements]:
    """Measure images at several levels, each in its own process, and show a progress bar.

    Levels that an earlier run of the same pipeline on the same images has finished are read from
    the folder.

    Parameters
    ----------
    assay : Assay
    levels : sequence of int
    folder : Path
        Folder for measurements and logs.
    processes : int
        Number of processes that run at a time. It does not change the measurements.

    Raises
    ------
    UserError
        A file cannot be read, CellProfiler is not installed, cannot use the pipeline, or failed.
    """
    digest = assay.digest()
    output_folder(folder)
    with ThreadPoolExecutor(processes) as pool, Progress(None, "image set") as progress:
        started = _Processes(folder, digest, len(levels), progress)
        jobs = {pool.submit(started.measure, level, assay.job(level)): level for level in levels}
        try:
            found = {jobs[job]: job.result() for job in as_completed(jobs)}
        except BaseException:
            for job in jobs:
                job.cancel()
            started.stop()
            raise
    return {level: found[level] for level in levels}


def _failure(log: Path) -> str:
    """Say why CellProfiler's process ended without an answer."""
    last = log.read_text(encoding="utf-8", errors="replace").rstrip().rpartition("\n")[2]
    if NOT_INSTALLED in last:
        return (
            f"CellProfiler is not installed in {sys.executable}: install it there, or run this "
            "command in the environment of CellProfiler."
        )
    return f"CellProfiler ended without measurements ({last}): see {log}."
