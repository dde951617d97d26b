"""Throughput and memory of CellProfiler's own workers, as its window starts them.

    python benchmarks/workers.py
    python benchmarks/workers.py --image-sets 20 --workers 1 2

With each of our modules and each engine. The memory is the most that a worker has held, the mean
of all. The rate is that of the second half of the image sets: by then all workers are warm.
CellProfiler 4.2.8 looks once a second for what its workers ask for, four times an image set, so
that workers mostly wait. Here it looks at once, so that they compete for the CPUs; a worker still
waits up to a second for its next image set.
"""

import argparse
import multiprocessing
import queue
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from cellprofiler_core.analysis._analysis import Analysis
from cellprofiler_core.analysis._runner import Runner
from cellprofiler_core.analysis.event import Finished, Progress
from cellprofiler_core.analysis.request import ExceptionReport
from cellprofiler_core.image import ImageSetList
from cellprofiler_core.measurement import Measurements
from cellprofiler_core.pipeline import Pipeline
from cellprofiler_core.preferences import set_default_output_directory
from cellprofiler_core.utilities.java import start_java, stop_java
from cellprofiler_core.utilities.zmq import join_to_the_boundary
from cellprofiler_core.workspace import Workspace
from processor import processor
from runs import OURS, write_images, write_pipeline
from timing import peak_memory

from micrograph_networks.engines import ENGINE_NAMES

SIZE = 480


def main():
    """Print a line a module and number of workers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image-sets", type=int, default=40)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    arguments = parser.parse_args()
    print(processor())
    with tempfile.TemporaryDirectory() as name:
        write_images(Path(name) / "images", arguments.image_sets, SIZE)
        for module in OURS:
            print(f"\n{module}, {SIZE}x{SIZE} pixels")
            print("    engine  workers  image sets a second  times one worker's  MiB a worker")
            for engine in ENGINE_NAMES:
                write_pipeline(Path(name) / "pipeline.cppipe", [module], engine=engine)
                print_rates(Path(name), engine, arguments.workers)


def print_rates(folder, engine, numbers):
    """Analyse the images of a folder by each number of workers, and print a line for each."""
    first = None
    for workers in numbers:
        # In a process of its own: workers of one analysis get in the way of the next.
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found, memory = pool.apply(analyzed, (folder, workers))
        first = first or found
        print(
            f"{engine:>10} {workers:8} {found:20.2f} {found / first:19.2f} {memory:13.0f}",
            flush=True,
        )


def analyzed(folder, workers):
    """Analyse the images of a folder with its pipeline, as :func:`rate_and_memory` says."""
    look_at_once()
    set_default_output_directory(str(folder))
    start_java()
    try:
        return rate_and_memory(*prepared(folder), workers)
    finally:
        join_to_the_boundary()
        stop_java()


def prepared(folder):
    """The pipeline in a folder, and its image sets, ready to be analyzed."""
    pipeline = Pipeline()
    pipeline.load(str(folder / "pipeline.cppipe"))
    pipeline.add_pathnames_to_file_list(map(str, sorted((folder / "images").iterdir())))
    measurements = Measurements()
    if not pipeline.prepare_run(
        Workspace(pipeline, None, None, None, measurements, ImageSetList())
    ):
        sys.exit("CellProfiler cannot prepare the pipeline: see its messages above.")
    return pipeline, measurements


def rate_and_memory(pipeline, measurements, workers):
    """Image sets a second of the second half of an analysis, and what its workers held.

    Parameters
    ----------
    pipeline : Pipeline
    measurements : Measurements
        With the image sets.
    workers : int

    Returns
    -------
    float, float
        Image sets a second; MiB, the mean of the workers' peaks.
    """
    events = queue.Queue()
    Analysis(pipeline, measurements).start(events.put, workers)
    total, moments = len(measurements.get_image_numbers()), {}
    while not isinstance(happened := events.get(), Finished):
        if isinstance(happened, ExceptionReport):
            sys.exit(f"{happened.exc_type}: {happened.exc_message}")
        if isinstance(happened, Progress):
            moments.setdefault(happened.counts[Runner.STATUS_DONE], time.perf_counter())
            memory = np.mean([peak_memory(worker.pid) for worker in Runner.workers])
    happened.measurements.close()
    half = min(done for done in moments if done >= total / 2)
    return (total - half) / (moments[total] - moments[half]), memory


def look_at_once():
    """Let CellProfiler's server of jobs wait milliseconds for the next request, not a second."""
    serve = Runner.jobserver

    def serve_at_once(runner, *arguments):
        runner.jobserver_work_cv.wait = lambda _: time.sleep(0.002)
        serve(runner, *arguments)

    Runner.jobserver = serve_at_once


if __name__ == "__main__":
    main()
