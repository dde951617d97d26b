import shutil
import subprocess
from pathlib import Path

import pytest
from chroot import PROCESS, ROOT, Container, missing


@pytest.fixture(scope="session")
def container():
    """Container, built anew."""
    if missing():
        pytest.skip(missing())
    return Container(ROOT / "build" / "container" / "root")


@pytest.fixture
def read_process():
    """Function that lets Groovy read a Nextflow module and print its command for a sample."""
    if shutil.which("groovy") is None:
        pytest.skip(
            "Groovy, which Nextflow's modules are written in, is not installed: "
            "apt-get install groovy"
        )
    program = Path(__file__).with_name("command_of_process.groovy")

    def read(path=PROCESS):
        return subprocess.run(
            ["groovy", program, path], capture_output=True, text=True, timeout=120
        )

    return read
