"""How long calls take, side by side, and how much memory processes have taken."""

import re
import time
from pathlib import Path

import numpy as np
import psutil


def in_turns(*runs, repeats):
    """Median seconds of each call; they take turns, and the first ones are not counted.

    Parameters
    ----------
    *runs : callable
    repeats : int

    Returns
    -------
    ndarray of float, (runs,)
    """
    times = np.empty((repeats + 1, len(runs)))
    for turn in times:
        for place, run in enumerate(runs):
            start = time.perf_counter()
            run()
            turn[place] = time.perf_counter() - start
    return np.median(times[1:], axis=0)


def peak_memory(process):
    """The most memory that a process has held.

    Parameters
    ----------
    process : int
        Its number.

    Returns
    -------
    float
        MiB; NaN on macOS.
    """
    status = Path(f"/proc/{process}/status")
    if status.is_file():
        return int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) / 2**10
    return getattr(psutil.Process(process).memory_info(), "peak_wset", np.nan) / 2**20  # Windows
