"""Run a command line that is interrupted when its n-th file gets its name.

    python benchmarks/faults/hooked.py ACTION NUMBER PACKAGE ARGUMENT ...

ACTION is kill-before, kill-after, or delete=FILE; the latter deletes another file and goes on.
"""

import itertools
import os
import runpy
import signal
import sys


def hook(action, number):
    """Let os.replace, by which whole files get their names, do it."""
    replace, count = os.replace, itertools.count(1)

    def hooked(source, target):
        now = next(count) == number
        if now and action == "kill-before":
            os.kill(os.getpid(), signal.SIGKILL)
        replace(source, target)
        if now and action == "kill-after":
            os.kill(os.getpid(), signal.SIGKILL)
        if now and action.startswith("delete="):
            os.unlink(action.partition("=")[2])

    os.replace = hooked


# The processes that draw training patches import this file, too.
if __name__ == "__main__":
    chosen, number, package, *arguments = sys.argv[1:]
    hook(chosen, int(number))
    sys.argv = [package, *arguments]
    runpy.run_module(package, run_name="__main__")
