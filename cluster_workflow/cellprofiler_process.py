"""Run CellProfiler, which is installed in another environment."""

import json
import os
import shlex
import shutil
import signal
import subprocess
from pathlib import Path
from typing import NamedTuple

from micrograph_networks.errors import UserError

QUESTIONS = Path(__file__).with_name("cellprofiler_questions.py")


class CellProfiler(NamedTuple):
    """Commands of CellProfiler.

    Attributes
    ----------
    command : str
        CellProfiler with the options that every process needs.
    python : str
        The Python in which CellProfiler is installed. Empty: found from ``command``.
    """

    command: str
    python: str = ""

    def run(self, options, log, threads=1):
        """Run CellProfiler without a window.

        Parameters
        ----------
        options : list
        log : Path
            File for its output and for the signal that killed it, if any.
        threads : int

        Raises
        ------
        UserError
            The program does not exist.
        """
        command = [*shlex.split(self.command), "-c", "-r", *map(str, options)]
        environment = {"TF_CPP_MIN_LOG_LEVEL": "2", **os.environ, "OMP_NUM_THREADS": str(threads)}
        with log.open("w") as file:
            try:
                status = subprocess.run(
                    command, env=environment, stdout=file, stderr=subprocess.STDOUT
                ).returncode
            except OSError as error:
                raise _cannot_be_run(command[0], error.strerror) from error
            if status < 0:
                file.write(f"Killed by {signal.Signals(-status).name}\n")

    def ask(self, question, path):
        """Run a function of cellprofiler_questions.py in CellProfiler's Python.

        Parameters
        ----------
        question : str
            Name of the function.
        path : Path
            File that the question is about.

        Raises
        ------
        UserError
            The file is not of the expected kind, or the Python does not answer.
        """
        try:
            program, *options = shlex.split(self.command)
            python = shlex.split(self.python) or _python_of(program)
        except ValueError as error:
            raise UserError(
                f"The command of CellProfiler, {self.command!r}, cannot be read ({error}): "
                "check cellprofiler and cellprofiler_python."
            ) from None
        command = [*python, QUESTIONS, question, path, *options]
        try:
            result = subprocess.run(command, capture_output=True, text=True, errors="replace")
        except OSError as error:
            raise _does_not_answer(python, error.strerror) from error
        try:
            answer = json.loads(result.stdout)
        except ValueError:
            last_line = result.stderr.rstrip().rpartition("\n")[2]
            raise _does_not_answer(python, last_line or f"exit {result.returncode}") from None
        if "error" in answer:
            raise UserError(answer["error"])
        return answer


def _python_of(program):
    """Return the Python in a script's first line, or else the one in its folder."""
    path = shutil.which(program)
    if path is None:
        raise _cannot_be_run(program, "it is not found")
    with open(path, "rb") as file:
        first = file.readline().decode(errors="replace")
    words = first[2:].split() if first.startswith("#!") else []
    if any(Path(word).name.startswith("python") for word in words):
        return words
    neighbor = Path(path).with_name("python")
    if not neighbor.exists():
        raise UserError(f"The Python of {program} is not found: name it as cellprofiler_python.")
    return [str(neighbor)]


def _cannot_be_run(program, reason):
    return UserError(
        f"{program} cannot be run ({reason}): check the command of CellProfiler, cellprofiler."
    )


def _does_not_answer(python, reason):
    return UserError(
        f"{shlex.join(python)} does not answer as the Python of CellProfiler ({reason}): "
        "check the command cellprofiler, or name its Python as cellprofiler_python."
    )
