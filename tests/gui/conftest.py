"""Fixtures that run each scenario once in CellProfiler's window."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
TIME_LIMIT = 400
"""Maximum time of a scenario in seconds."""


def run(command, environment, log):
    """Run a command, and kill it with its workers after TIME_LIMIT."""
    window = subprocess.Popen(
        command, env=environment, stdout=log, stderr=log, start_new_session=True
    )
    try:
        window.wait(TIME_LIMIT)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(window.pid, signal.SIGKILL)


@pytest.fixture(scope="session")
def display():
    """An X server without a screen."""
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-noreset", "-screen", "0", "1600x1200x24"]
    server = subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL)
    os.close(writing)
    with os.fdopen(reading) as number:
        yield f":{int(number.readline())}"
    server.terminate()
    server.wait()


@pytest.fixture(scope="session")
def driven(display, tmp_path_factory):
    """Function that runs a scenario once, and returns its folder and what was seen."""
    done = {}

    def drive(scenario):
        if scenario not in done:
            folder = Path(os.environ.get("WINDOW_FOLDER") or tmp_path_factory.mktemp("window"))
            folder = folder / scenario
            folder.mkdir()
            # CellProfiler writes preferences and recent files into the home folder.
            environment = {**os.environ, "DISPLAY": display, "HOME": str(folder)}
            command = [sys.executable, HERE / "application.py", scenario, folder]
            with (folder / "log.txt").open("w") as log:
                run(command, environment, log)
            seen = folder / "seen.json"
            assert seen.exists(), (folder / "log.txt").read_text()[-3000:]
            done[scenario] = folder, json.loads(seen.read_text())
        failure = done[scenario][1]["failure"]
        assert failure is None, failure
        return done[scenario]

    return drive
