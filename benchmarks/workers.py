"""Measure throughput and memory of CellProfiler's workers, started as by its window.

    python benchmarks/workers.py
    python benchmarks/workers.py --image-sets 20 --workers 1 2

Runs each of our modules with each engine. The memory is the mean of the workers' peaks. The rate is
that of the second half of the image sets, when all workers have loaded their models. CellProfiler
4.2.8 answers its workers once a second, and an image set takes four answers, so that workers mostly
wait. Here it answers at once, so that the workers compete for the CPUs. A worker still waits up to
one second for its next image set.
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
    """Print one line for each module, engine and number of workers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--image-sets", type=int, default=40, help="number of image sets (default: 40)"
    )
    parser.add_argument(
        "--workers",
        type=int,
        nargs="+",
        default=[1, 2, 4],
        help="numbers of workers to compare (default: 1 2 4)",
    )
    arguments = parser.parse_args()
    print(processor())
    with tempfile.TemporaryDirectory() as name:
        write_images(Path(name) / "images", arguments.image_sets, SIZE)
        for module in OURS:
            print(f"\n{module}, {SIZE}x{SIZE} pixels")
            print("    engine  workers  image sets/second  times one worker's  MiB a worker")
            for engine in ENGINE_NAMES:
                write_pipeline(Path(name) / "pipeline.cppipe", [module], engine=engine)
                print_rates(Path(name), engine, arguments.workers)


def print_rates(folder, engine, numbers):
    """Analyze the images of a folder with each number of workers, and print a line for each."""
    first = None
    for workers in numbers:
        # In a process of its own, because the workers of one analysis disturb the next one.
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found, memory = pool.apply(analyzed, (folder, workers))
        first = first or found
        print(
            f"{engine:>10} {workers:8} {found:20.2f} {found / first:19.2f} {memory:13.0f}",
            flush=True,
        )


def analyzed(folder, workers):
    """Analyze the images of a folder with its pipeline: see :func:`rate_and_memory`."""
    look_at_once()
    set_default_output_directory(str(folder))
    start_java()
    try:
        return rate_and_memory(*prepared(folder), workers)
    finally:
        join_to_the_boundary()
        stop_java()


def prepared(folder):
    """Return the pipeline in a folder and its image sets, ready to be analyzed."""
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
    """Run an analysis, and return its rate and memory.

    Parameters
    ----------
    pipeline : Pipeline
    measurements : Measurements
        Measurements with the image sets.
    workers : int

    Returns
    -------
    float, float
        Image sets per second in the second half; mean of the workers' peak memory in MiB.
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
    """Let CellProfiler's job server wait milliseconds for the next request, not a second."""
    serve = Runner.jobserver

    def serve_at_once(runner, *arguments):
        runner.jobserver_work_cv.wait = lambda _: time.sleep(0.002)
        serve(runner, *arguments)

    Runner.jobserver = serve_at_once


if __name__ == "__main__":
    main()
