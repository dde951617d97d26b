"""Run cases in another process, which may crash or hang without harm."""

import multiprocessing
import os
import signal
import tempfile
import traceback
from contextlib import suppress

PREPARATION = 300
"""Time limit for the imports of a new process, in seconds."""


class Isolated:
    """A process that calls functions and is replaced after a crash or a hang.

    Parameters
    ----------
    prepare : callable
        Function that each new process calls first, with ``arguments``.
    arguments : tuple
    seconds : float
        Time limit for a call.
    """

    def __init__(self, prepare, *arguments, seconds=60):
        self._prepare, self._seconds = (prepare, arguments), seconds
        self._process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stop()

    def call(self, function, *arguments):
        """Call a function of a module in the process and return its result.

        Raises
        ------
        AssertionError
            It raised an exception, wrote to standard error, took too long, or killed the process.
        """
        if self._process is None:
            self._start()
        self._pipe.send((function, arguments))
        if not self._pipe.poll(self._seconds):
            self._stop()
            raise AssertionError(f"not finished after {self._seconds} s")
        try:
            result, problem = self._pipe.recv()
        except EOFError:
            self._process.join()
            code = self._process.exitcode
            self._stop()
            raise AssertionError(f"the process crashed: {_cause(code)}") from None
        if problem:
            raise AssertionError(problem)
        return result

    def _start(self):
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, *self._prepare), daemon=True)
        self._process.start()
        theirs.close()
        if not self._pipe.poll(PREPARATION):
            raise AssertionError(f"not started after {PREPARATION} s")
        self._pipe.recv()

    def _stop(self):
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
            self._process = None


def _cause(code):
    with suppress(ValueError):
        return signal.Signals(-code).name
    return f"exit code {code}"


def _serve(pipe, prepare, arguments):
    prepare(*arguments)
    pipe.send("ready")
    with tempfile.TemporaryFile() as printed:
        # C libraries do not print to Python's sys.stderr but to this file descriptor.
        os.dup2(printed.fileno(), 2)
        while True:
            try:
                function, arguments = pipe.recv()
            except EOFError:
                return
            start = printed.seek(0, os.SEEK_END)
            result = problem = None
            try:
                result = function(*arguments)
            except AssertionError as error:
                problem = str(error) or traceback.format_exc()
            except Exception:
                problem = traceback.format_exc()
            printed.seek(start)
            pipe.send((result, problem or printed.read().decode(errors="replace")))
