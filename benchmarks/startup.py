"""Start-up: from `cellprofiler -c` to the first result, without and with each of our modules.

    python benchmarks/startup.py

First the seconds until the first image set is done, and what our modules add to them; then where
they go, step by step in one process that does what CellProfiler does.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from processor import processor
from runs import LAST, OURS, ROOT, SCENE, steps, write_images

SIZE = min(SCENE)
REPEATS = 3
CASES = ((), *((name,) for name in OURS), OURS)

# What CellProfiler does until the first result, and what our modules add; prints seconds by name.
STEPS = """
import importlib, json, sys, time
import numpy

image = numpy.random.default_rng(0).random((int(sys.argv[1]), int(sys.argv[1]), 3))
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
from micrograph_networks.products import PRODUCTS
for product in PRODUCTS:
    importlib.import_module(product.module.lower())
done("ours: imports")
from micrograph_networks.engines.tensorflow import import_framework
import_framework()
done("ours: TensorFlow")
for package, measure in (("focusqual", "rate_focus"), ("segment", "segment_image")):
    core = importlib.import_module(package)
    model = core.load_model()
    done(f"{package}: weights")
    for count in ("first", "second"):
        getattr(core, measure)(image, model)
        done(f"{package}: {count} image")
print(json.dumps(seconds), flush=True)
cellprofiler.__main__.stop_java()
"""


def main():
    """Print both tables."""
    print(f"{processor()}\n{SIZE}x{SIZE} pixels, median of {REPEATS} runs")
    first_results, breakdowns = [], []
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_images(folder / "images", 1, SIZE)
            first_results.append([first_result(folder, names) for names in CASES])
        breakdowns.append(breakdown())
    print_first_results(np.median(first_results, axis=0))
    print_breakdown({name: np.median([b[name] for b in breakdowns]) for name in breakdowns[0]})


def first_result(folder, names):
    """Seconds from the start of CellProfiler's process until its first image set is done."""
    for step in steps(folder, names):
        if step.module == LAST:
            found = time.time() - psutil.Process(step.process).create_time()
    return found


def breakdown():
    """Seconds of each step of a start-up, by name."""
    command = [sys.executable, "-W", "ignore", "-c", STEPS, str(SIZE)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(result.stdout.splitlines()[-1])


def print_first_results(seconds):
    """Print the seconds of CASES."""
    print("\nuntil the first result   ours")
    for names, value in zip(CASES, seconds):
        print(f"{value:20.2f} s {value - seconds[0]:6.2f} s  {' '.join(names) or 'without'}")


def print_breakdown(seconds):
    """Print the seconds of each step."""
    print("\nstep by step")
    for name, value in seconds.items():
        print(f"{value:20.2f} s  {name}")


if __name__ == "__main__":
    main()
