"""The number of the version is written in the package; what repeats it has to agree."""

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


def first(pattern, name):
    return re.search(pattern, (ROOT / name).read_text(encoding="utf-8"), re.M)[1]


def test_the_cores_have_the_same_version():
    assert focusqual.__version__ is VERSION
    assert segment.__version__ is VERSION


def test_the_metadata_have_it():
    pytest.importorskip("setuptools")
    result = subprocess.run(
        [sys.executable, "setup.py", "--version"], cwd=ROOT, capture_output=True, text=True
    )
    assert result.stdout.split()[-1:] == [VERSION], result.stderr


def test_the_citation_has_it():
    assert first(r"^version: (.+)$", "CITATION.cff") == VERSION


def test_the_newest_heading_of_the_changelog_has_it():
    assert first(r"^## (\S+)", "CHANGELOG.md") == VERSION
