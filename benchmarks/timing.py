"""How long calls take, side by side."""

import time

import numpy as np


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
