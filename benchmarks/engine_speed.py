"""Speed and peak memory of the NumPy engine beside TensorFlow's, in one run.

    python benchmarks/engine_speed.py
    OMP_NUM_THREADS=1 python benchmarks/engine_speed.py

The dark-field network on two sizes, and rate_focus on a 2160x2160 image. The engines take turns;
the ratio is the median of those of the turns. Then, each in a process of its own, the peak memory
and the seconds from its start to the first result.
"""

import argparse
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
from micrograph_networks.resources.cpus import cpu_share

import focusqual
import segment
from micrograph_networks.engines import EngineOptions
from segment.inference.prediction import predict_probabilities

ENGINES = ("numpy", "tensorflow")
CASES = {"dark field": (640, 640), "dark field 3:4": (480, 640), "focus": (2160, 2160)}
"""Height and width of the image of each."""
INSTRUCTIONS = ("avx", "avx2", "fma", "avx512f", "amx_tile", "asimd")

# Arguments: engine, case. Prints seconds from the process's start and its peak memory.
ALONE = """
import sys, time, psutil
from engine_speed import image_of, peak_memory, ready
run, image = ready(*sys.argv[1:]), image_of(sys.argv[2])
run(image)
print(time.time() - psutil.Process().create_time(), peak_memory())
"""


def main():
    """Print a line a case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    print(f"{processor()}; {cpu_share()} threads, NumPy {np.__version__}")
    print(
        f"\n{'seconds, models loaded':22}" + "".join(f"{name:>12}" for name in ENGINES) + "  ratio"
    )
    for case in CASES:
        times = in_turns(case, arguments.repeats)
        ratio = np.median(times[0] / times[1])
        print(f"{case:22}" + "".join(f"{value:12.3f}" for value in times.min(axis=1)), end="")
        print(f"{ratio:7.2f}", flush=True)
    print("\na process of its own, from start to first result")
    for case in CASES:
        for name in ENGINES:
            seconds, memory = alone(name, case)
            print(f"{case:22}{name:>12}{seconds:9.2f} s{memory:7.0f} MiB", flush=True)


def processor():
    """The processor's name and vector instructions, as far as the system tells them."""
    file = Path("/proc/cpuinfo")
    text = file.read_text() if file.is_file() else ""
    name = re.search(r"model name\s*: (.+)", text)
    flags = re.search(r"(?:flags|Features)\s*: (.+)", text)
    known = [flag for flag in INSTRUCTIONS if flags and flag in flags[1].split()]
    return " ".join([name[1] if name else platform.processor() or platform.machine(), *known])


def image_of(case):
    """An image of a case, the same at every call."""
    return np.random.default_rng(0).integers(0, 65536, CASES[case], dtype=np.uint16)


def ready(engine, case):
    """From an image to a result, with the model loaded.

    The dark-field network sees the image in its own pixels.
    """
    options = EngineOptions(name=engine)
    if case == "focus":
        model = focusqual.load_model(engine=options)
        return lambda image: focusqual.rate_focus(image, model)
    model = segment.load_model(engine=options)
    return lambda image: predict_probabilities(image, model, model.cell_diameter)


def in_turns(case, repeats):
    """Seconds of each engine, (engines, repeats); the first turn is not counted."""
    image, runs = image_of(case), [ready(name, case) for name in ENGINES]
    times = np.empty((len(runs), repeats + 1))
    for turn in range(repeats + 1):
        for number, run in enumerate(runs):
            start = time.perf_counter()
            run(image)
            times[number, turn] = time.perf_counter() - start
    return times[:, 1:]


def alone(engine, case):
    """Seconds and MiB that a process takes for one result."""
    command = [sys.executable, "-c", ALONE, engine, case]
    folder = Path(__file__).resolve().parent
    result = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return map(float, result.stdout.split())


def peak_memory():
    """The most memory that this process has held, in MiB; NaN on macOS."""
    status = Path("/proc/self/status")
    if status.is_file():
        return int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) / 2**10
    return getattr(psutil.Process().memory_info(), "peak_wset", np.nan) / 2**20  # Windows


if __name__ == "__main__":
    main()
