"""CellProfiler, a program of another environment, in processes of its own."""

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
    """How CellProfiler is called.

    Attributes
    ----------
    command : str
        With the options that every process needs.
    python : str
        Command of the Python that CellProfiler is installed in. Empty: found by ``command``.
    """

    command: str
    python: str = ""

    def run(self, options, log, threads=1):
        """Run it without a window; its output, and the signal that has killed it, go to a file.

        Parameters
        ----------
        options : list
        log : Path
        threads : int

        Raises
        ------
        UserError
            There is no such program.
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
        """Let its Python answer.

        Parameters
        ----------
        question : str
            A function of cellprofiler_questions.py.
        path : Path
            The file that it is about.

        Returns
        -------
        dict

        Raises
        ------
        UserError
            The file is not what it should be, or that Python does not answer.
        """
        try:
            program, *options = shlex.split(self.command)
            python = shlex.split(self.python)
        except ValueError as error:
            raise UserError(
                f"The command of CellProfiler, {self.command!r}, cannot be read ({error}): "
                "check cellprofiler and cellprofiler_python."
            ) from None
        python = python or _python_of(program)
        try:
            result = subprocess.run(
                [*python, QUESTIONS, question, path, *options],
                capture_output=True,
                text=True,
                errors="replace",
            )
            answer = json.loads(result.stdout)
        except OSError as error:
            raise _gave_no_answer(python, error.strerror) from error
        except ValueError:
            last_line = result.stderr.rstrip().rpartition("\n")[2]
            raise _gave_no_answer(python, last_line or f"exit {result.returncode}") from None
        if "error" in answer:
            raise UserError(answer["error"])
        return answer


def _python_of(program):
    """The Python in a script's first line, or else the one beside it."""
    path = shutil.which(program)
    if path is None:
        raise _cannot_be_run(program, "it is not found")
    with open(path, "rb") as file:
        first = file.readline().decode(errors="replace")
    words = first[2:].split() if first.startswith("#!") else []
    if any(Path(word).name.startswith("python") for word in words):
        return words
    beside = Path(path).with_name("python")
    if not beside.exists():
        raise UserError(f"The Python of {program} is not found: name it as cellprofiler_python.")
    return [str(beside)]


def _cannot_be_run(program, reason):
    return UserError(
        f"{program} cannot be run ({reason}): check the command of CellProfiler, cellprofiler."
    )


def _gave_no_answer(python, reason):
    return UserError(
        f"{shlex.join(python)} does not answer as the Python of CellProfiler ({reason}): "
        "check the command cellprofiler, or name its Python as cellprofiler_python."
    )
