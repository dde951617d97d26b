"""Failures in the log of CellProfiler 4 without a window."""

import re
from typing import NamedTuple

# A line with the number of the image set follows each module, whether or not the module failed.
MODULE_FAILED = re.compile(
    r"^Error detected during run of module (\w+)\n((?:.*\n)*?)\S.*: Image # (\d+), module \1 # ",
    flags=re.MULTILINE,
)

# Loading a pipeline, preparing a run, or completing it.
RUN_FAILED = re.compile(
    r"^Failed to (?:load|prepare|complete) .*\n((?:.*\n)*?)(?:Times reported|\S.*: Image # |\Z)",
    flags=re.MULTILINE,
)

RAISED = re.compile(r"^  File .*\n(?:    .*\n)*(\S.*)", flags=re.MULTILINE)
"""End of a traceback; the group is the exception."""


class Failure(NamedTuple):
    """Reason why an image set has no results.

    Attributes
    ----------
    module : str
        Module that failed; empty if unknown.
    reason : str
        One line.
    """

    module: str
    reason: str


class Log(NamedTuple):
    """Failures in one process.

    Attributes
    ----------
    image_sets : dict of int to Failure
        Image sets that failed by themselves, by image number.
    run : str
        Error that ended the run, or the last line of the log.
    """

    image_sets: dict
    run: str


def read_cellprofiler_log(path):
    """Read the log of one process as a :class:`Log`."""
    text = path.read_text(encoding="utf-8", errors="replace")
    image_sets = {
        int(number): Failure(module, _exception(lines))
        for module, lines, number in MODULE_FAILED.findall(text)
    }
    failed = RUN_FAILED.search(text)
    return Log(image_sets, _exception(failed[1]) if failed else _last_line(text))


def _exception(lines):
    """Return the exception at the end of a traceback, or the last line if there is none."""
    raised = RAISED.findall(lines)
    return raised[-1] if raised else _last_line(lines)


def _last_line(text):
    return text.rstrip().rpartition("\n")[2]
