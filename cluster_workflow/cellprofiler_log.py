"""What the log of a headless CellProfiler 4 says of failures."""

import re
from typing import NamedTuple

# A line with the number of the image set follows each module, whether it has failed or not.
MODULE_FAILED = re.compile(
    r"^Error detected during run of module (\w+)\n((?:.*\n)*?)\S.*: Image # (\d+), module \1 # ",
    flags=re.MULTILINE,
)

# To load a pipeline, to prepare a run, to complete it.
RUN_FAILED = re.compile(
    r"^Failed to (?:load|prepare|complete) .*\n((?:.*\n)*?)(?:Times reported|\S.*: Image # |\Z)",
    flags=re.MULTILINE,
)

RAISED = re.compile(r"^  File .*\n(?:    .*\n)*(\S.*)", flags=re.MULTILINE)
"""The end of a traceback; the exception is in the group."""


class Failure(NamedTuple):
    """Why an image set has no results.

    Attributes
    ----------
    module : str
        Empty where it is not known.
    reason : str
        One line.
    """

    module: str
    reason: str


class Log(NamedTuple):
    """What failed in one process.

    Attributes
    ----------
    image_sets : dict of int to Failure
        Those that failed by themselves, by image number.
    run : str
        Why the run as a whole failed, if it did: the error, or else the last line.
    """

    image_sets: dict
    run: str


def read_cellprofiler_log(path):
    """Read the log of one process.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Log
    """
    text = path.read_text(encoding="utf-8", errors="replace")
    image_sets = {
        int(number): Failure(module, _exception(lines))
        for module, lines, number in MODULE_FAILED.findall(text)
    }
    failed = RUN_FAILED.search(text)
    return Log(image_sets, _exception(failed[1]) if failed else _last_line(text))


def _exception(lines):
    """The exception that a traceback ends with, or else the last line."""
    raised = RAISED.findall(lines)
    return raised[-1] if raised else _last_line(lines)


def _last_line(text):
    return text.rstrip().rpartition("\n")[2]
