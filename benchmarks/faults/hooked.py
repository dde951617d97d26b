"""Run a command line and interrupt it when its n-th file is renamed to its final name.

    python benchmarks/faults/hooked.py ACTION NUMBER PACKAGE ARGUMENT ...

ACTION is kill-before, kill-after, or delete=FILE, which deletes another file and continues.
"""

import itertools
import os
import runpy
import signal
import sys


def hook(action, number):
    """Make os.replace, the last step of an atomic write, run the action."""
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


# Worker processes of a training import this file, too.
if __name__ == "__main__":
    chosen, number, package, *arguments = sys.argv[1:]
    hook(chosen, int(number))
    sys.argv = [package, *arguments]
    runpy.run_module(package, run_name="__main__")
