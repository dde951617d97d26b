"""Compare speed and peak memory of the engines.

    python benchmarks/engine_speed.py
    OMP_NUM_THREADS=1 python benchmarks/engine_speed.py
    ONEDNN_MAX_CPU_ISA=AVX2 OPENBLAS_CORETYPE=Haswell python benchmarks/engine_speed.py

The last command imitates a processor without AVX-512. The engines take turns; seconds are medians.
Then each runs in a process of its own, for its peak memory and the seconds to the first result.
"""

import argparse
import functools
import importlib
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from processor import processor
from timing import in_turns

from micrograph_networks.cpus import cpu_share
from micrograph_networks.engines import ENGINE_NAMES, EngineOptions
from micrograph_networks.models.registry import shipped_models

CASES = {
    "dark field, oldest": ("segment", 0, (640, 640)),
    "dark field, oldest 3:4": ("segment", 0, (480, 640)),
    "dark field, newest": ("segment", -1, (640, 640)),
    "focus, newest": ("focusqual", -1, (2160, 2160)),
}
"""Core, index of its model in the registry, and height and width of the image."""

# Arguments: start, engine, case. Prints the seconds since the start and the peak memory in MiB.
ALONE = """
import os, sys, time
from engine_speed import image_of, ready
from timing import peak_memory
start, engine, case = sys.argv[1:]
run, image = ready(engine, case), image_of(case)
run(image)
print(time.time() - float(start), peak_memory(os.getpid()))
"""


def main():
    """Print one line for each case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7, help="timed calls (default: 7)")
    arguments = parser.parse_args()
    print(f"{processor()}; {cpu_share()} threads, NumPy {np.__version__}")
    print(
        f"\n{'seconds, models loaded':22}"
        + "".join(f"{name:>12}" for name in ENGINE_NAMES)
        + "  NumPy/TensorFlow"
    )
    for case in CASES:
        image = image_of(case)
        runs = [functools.partial(ready(name, case), image) for name in ENGINE_NAMES]
        times = in_turns(*runs, repeats=arguments.repeats)
        print(f"{case:22}" + "".join(f"{value:12.3f}" for value in times), end="")
        print(f"{times[1] / times[0]:7.2f}", flush=True)
    print("\na process of its own, from start to first result")
    for case in CASES:
        for name in ENGINE_NAMES:
            seconds, memory = alone(name, case)
            print(f"{case:22}{name:>12}{seconds:9.2f} s{memory:7.0f} MiB", flush=True)


def image_of(case):
    """Return the image of a case, the same at every call."""
    _, _, shape = CASES[case]
    return np.random.default_rng(0).integers(0, 65536, shape, dtype=np.uint16)


def ready(engine, case):
    """Load the model of a case and return a function from the image to a result.

    The dark-field network sees the image in its own pixels. Each core is imported where it is used,
    because the import is part of the time that a process takes.
    """
    options = EngineOptions(engine)
    core, index, _ = CASES[case]
    networks = importlib.import_module(f"{core}.inference.network").NETWORKS
    name = shipped_models(networks)[index].name
    if core == "focusqual":
        import focusqual

        model = focusqual.load_model(name, options)
        return lambda image: focusqual.measure_focus(image, model)
    import segment
    from segment.inference.prediction import predict_probabilities

    model = segment.load_model(name, options)
    return lambda image: predict_probabilities(image, model, 1.0)


def alone(engine, case):
    """Return the seconds and MiB that a process needs for one result."""
    command = [sys.executable, "-c", ALONE, str(time.time()), engine, case]
    folder = Path(__file__).resolve().parent
    result = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return map(float, result.stdout.split())


if __name__ == "__main__":
    main()
