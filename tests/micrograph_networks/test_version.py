"""The version is defined in the package; everything that repeats it must agree."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import focusqual
import micrograph_networks
import segment

ROOT = Path(__file__).resolve().parents[2]
VERSION = micrograph_networks.__version__


def test_the_cores_have_the_same_version():
    assert focusqual.__version__ is VERSION
    assert segment.__version__ is VERSION


def test_the_metadata_have_it():
    pytest.importorskip("setuptools")
    result = subprocess.run(
        [sys.executable, "setup.py", "--version"], cwd=ROOT, capture_output=True, text=True
    )
    assert result.stdout.split()[-1:] == [VERSION], result.stderr


@pytest.mark.parametrize(
    "name, pattern", [("CITATION.cff", r"^version: (.+)$"), ("CHANGELOG.md", r"^## (\S+)")]
)
def test_the_first_version_in_a_file_is_it(name, pattern):
    assert re.search(pattern, (ROOT / name).read_text("utf-8"), re.M)[1] == VERSION
