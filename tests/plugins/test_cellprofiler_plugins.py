"""Test the pull request for CellProfiler-plugins in an imitation of a clone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from products import PRODUCTS

from micrograph_networks import __version__

ROOT = Path(__file__).resolve().parent.parent.parent
PREPARE = ROOT / "cellprofiler_plugins" / "prepare.py"
TABLE = "documentation/CP-plugins-documentation/supported_plugins.md"
SETUP = """\
from setuptools import setup

if __name__ == "__main__":
    one_deps = [
        "one"
    ]

    setup(
        name="there",
        extras_require = {
          "one": one_deps,
        }
    )
"""
PLUGINS = """\
# Supported

| Plugin | Description | Needs more? | Install flag | Docker? |
|--------|-------------|-------------|--------------|---------|
| AddNoise | Adds noise. | No | | N/A |
| RunCellpose | Runs it. | Yes | `cellpose` | Yes |
| VarianceTransform | Variance. | No | | N/A |

The end.
"""


@pytest.fixture
def clone(tmp_path):
    for folder in ("active_plugins", "tests", Path(TABLE).parent):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "setup.py").write_text(SETUP)
    (tmp_path / TABLE).write_text(PLUGINS)
    return tmp_path


def prepare(clone):
    command = [sys.executable, PREPARE, clone, "https://example.org/modules.git"]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_a_clone_gets_modules_tests_rows_and_the_extra(clone):
    result = prepare(clone)
    assert result.returncode == 0, result.stderr
    plugins = {f"{product.module.lower()}.py" for product in PRODUCTS}
    assert {path.name for path in (clone / "active_plugins").iterdir()} == plugins
    assert {path.name for path in (clone / "tests").iterdir()} == {f"test_{p}" for p in plugins}
    for name in plugins:
        sent = (clone / "active_plugins" / name).read_bytes()
        assert sent == (ROOT / "plugins" / name).read_bytes()
    rows = (clone / TABLE).read_text().splitlines()
    names = [row.split(" | ")[0] for row in rows if row.startswith("| ")]
    assert names[1:] == [
        *("| AddNoise", "| MeasureImageFocusQuality", "| RunCellpose"),
        *("| SegmentDarkfieldCells", "| VarianceTransform"),
    ]
    assert rows[-1] == "The end."
    assert any("MeasureImageFocusQuality measures how far images are" in row for row in rows)
    given = {}
    source = (clone / "setup.py").read_text()
    source = source.replace("from setuptools import setup", "setup = given.update")
    exec(source, {"given": given, "__name__": "__main__"})
    assert given["extras_require"] == {
        "one": ["one"],
        "focus_darkfield": [
            f"cellprofiler-focus-darkfield[cpu] @ git+https://example.org/modules.git@v{__version__}"
        ],
    }


def test_the_unit_tests_pass_there(clone):
    prepare(clone)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", clone / "tests"]
    # As after the installation that README.md describes.
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        command, cwd=clone, env=environment, capture_output=True, text=True, timeout=600
    )
    assert result.returncode == 0, result.stdout
    assert "2 passed" in result.stdout


def test_wrong_folders_and_second_times_change_nothing(clone, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    result = prepare(empty)
    assert result.returncode == 1
    assert "is not a clone of CellProfiler-plugins" in result.stderr
    assert list(empty.iterdir()) == []
    prepare(clone)
    before = (clone / "setup.py").read_bytes(), (clone / TABLE).read_bytes()
    result = prepare(clone)
    assert result.returncode == 1
    assert "take a fresh clone" in result.stderr
    assert ((clone / "setup.py").read_bytes(), (clone / TABLE).read_bytes()) == before
