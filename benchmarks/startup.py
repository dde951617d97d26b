"""Measure the time from `cellprofiler -c` to the first result, without and with each module.

    python benchmarks/startup.py

Prints the seconds until the first image set is done with each engine, and how many of them our
modules add. Then prints the seconds of each step, in one process that does what CellProfiler does.
"""

import itertools
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from processor import processor
from runs import LAST, OURS, ROOT, SCENE, steps, write_images

from micrograph_networks.engines import AUTOMATIC, ENGINE_NAMES

SIZE = min(SCENE)
REPEATS = 3
CASES = (
    ((), AUTOMATIC),
    *itertools.product([*((name,) for name in OURS), OURS], ENGINE_NAMES),
)
"""Some of our modules, and the engine that computes."""

# Does what CellProfiler and our modules do until the first result, and prints seconds by name.
STEPS = """
import importlib, json, sys, time
import numpy

size, engine = int(sys.argv[1]), sys.argv[2]
image = numpy.random.default_rng(0).random((size, size, 3))
start = time.perf_counter()
seconds = {}

def done(name):
    global start
    seconds[name] = time.perf_counter() - start
    start = time.perf_counter()

import cellprofiler.__main__
from cellprofiler_core import preferences
done("CellProfiler: imports")
preferences.set_headless()
cellprofiler.__main__.start_java()
done("CellProfiler: Java")
import cellprofiler_core.modules
done("CellProfiler: its modules")
sys.path.insert(0, "plugins")
for name in ("measureimagefocusquality", "segmentdarkfieldcells"):
    importlib.import_module(name)
done("ours: imports")
from micrograph_networks.engines import EngineOptions
if engine == "tensorflow":
    from micrograph_networks.engines.tensorflow import import_framework
    import_framework()
    done("ours: TensorFlow")
for package, measure in (("focusqual", "measure_focus"), ("segment", "segment_image")):
    core = importlib.import_module(package)
    model = core.load_model(engine=EngineOptions(engine))
    done(f"{package}: weights")
    for count in ("first", "second"):
        getattr(core, measure)(image, model)
        done(f"{package}: {count} image")
print(json.dumps(seconds), flush=True)
cellprofiler.__main__.stop_java()
"""


def main():
    """Print all tables."""
    print(f"{processor()}\n{SIZE}x{SIZE} pixels, median of {REPEATS} runs")
    first_results, breakdowns = [], {name: [] for name in ENGINE_NAMES}
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_images(folder / "images", 1, SIZE)
            first_results.append([first_result(folder, *case) for case in CASES])
        for engine, found in breakdowns.items():
            found.append(breakdown(engine))
    print_first_results(np.median(first_results, axis=0))
    for engine, found in breakdowns.items():
        print_breakdown(
            engine, {name: np.median([one[name] for one in found]) for name in found[0]}
        )


def first_result(folder, names, engine):
    """Return the seconds from the start of CellProfiler until its first image set is done."""
    done = [one.since_start for one in steps(folder, names, engine=engine) if one.module == LAST]
    return done[0]


def breakdown(engine):
    """Return the seconds of each step of a start-up, by name."""
    command = [sys.executable, "-W", "ignore", "-c", STEPS, str(SIZE), engine]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(result.stdout.splitlines()[-1])


def print_first_results(seconds):
    """Print the seconds of CASES."""
    print("\nuntil the first result   ours")
    for (names, engine), value in zip(CASES, seconds):
        case = f"{' '.join(names)}, {engine}" if names else "without"
        print(f"{value:20.2f} s {value - seconds[0]:6.2f} s  {case}")


def print_breakdown(engine, seconds):
    """Print the seconds of each step."""
    print(f"\nstep by step, {engine}")
    for name, value in seconds.items():
        print(f"{value:20.2f} s  {name}")


if __name__ == "__main__":
    main()
