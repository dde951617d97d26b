"""Time of calls and peak memory of processes."""

import re
import time
from pathlib import Path

import numpy as np
import psutil


def in_turns(*runs, repeats):
    """Return the median seconds of each call, as an array. The calls take turns.

    Parameters
    ----------
    *runs : callable
    repeats : int
        Number of calls of each, after a first one that is not counted.
    """
    times = np.empty((repeats + 1, len(runs)))
    for turn in times:
        for index, run in enumerate(runs):
            start = time.perf_counter()
            run()
            turn[index] = time.perf_counter() - start
    return np.median(times[1:], axis=0)


def peak_memory(process):
    """Return the peak memory of the process with this number, in MiB; NaN on macOS."""
    status = Path(f"/proc/{process}/status")
    if status.is_file():
        return int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) / 2**10
    return getattr(psutil.Process(process).memory_info(), "peak_wset", np.nan) / 2**20  # Windows
