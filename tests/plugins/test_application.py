"""The release in the CellProfiler application, frozen as that of the website is but for its window.

`make test-stock` makes the application and runs these tests. Its exit code is 0 whatever happens,
so that tables and output tell.
"""

import ast
import re
import shutil
import subprocess

import imageio
import numpy as np
import pandas as pd
import pytest
from harness import ROOT, numbers, run_cellprofiler
from scipy.ndimage import gaussian_filter
from sources import PACKAGES, import_statements, imported, module_sources

from segment.simulation.scenes import darkfield_scene

APPLICATION = ROOT / "build" / "application" / "CellProfiler" / "CellProfiler"
PIPELINES = {
    "focus_qc.cppipe": {"FocusQC_FocusPatches.csv", "FocusQC_Image.csv"},
    "darkfield_cells.cppipe": {
        f"Darkfield_{name}.csv" for name in ("BloodCells", "Image", "Spirochaetes")
    },
}
"""Example pipelines, and the tables that they write."""
NOT_NEEDED = {
    "filelock": "trainings lock their folder",
    "tensorflow": "is there or not",
}
"""Imports that may fail in the application, and why."""

pytestmark = pytest.mark.application


@pytest.fixture
def images(tmp_path, fly_images):
    """Real images, sharp and blurred, and drawn dark-field scenes, by their pipeline."""
    nuclei = fly_images["01_POS002_D.TIF"]
    blurred = gaussian_filter(fly_images["01_POS002_F.TIF"].astype(np.uint16) * 257, 3)
    scenes = [darkfield_scene(np.random.default_rng(seed)).image for seed in (2, 3)]
    written = {
        "focus_qc.cppipe": {"sharp.tif": nuclei, "blurred, 16 bits.tif": blurred},
        "darkfield_cells.cppipe": {"a.png": scenes[0], "b.tif": scenes[1]},
    }
    for pipeline, files in written.items():
        (tmp_path / pipeline).mkdir()
        for name, image in files.items():
            imageio.imwrite(tmp_path / pipeline / name, image)
    return tmp_path


def in_application(pipeline, images, output, plugins):
    """Run a pipeline in the application, and give what it prints."""
    if not APPLICATION.exists():
        pytest.fail(f"{APPLICATION} does not exist: make test-stock makes it")
    command = [APPLICATION, "-c", "-r", "-p", pipeline, "-i", images, "-o", output]
    return subprocess.run(
        [*command, "--plugins-directory", plugins],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=True,
    ).stdout


@pytest.mark.parametrize("name", PIPELINES)
def test_its_tables_are_those_of_tensorflow(name, release, images, tmp_path):
    pipeline = release / "example_pipelines" / name
    output = in_application(pipeline, images / name, tmp_path / "found", release / "plugins")
    assert "numpy computes" in output
    assert not re.search("Could not load|Failed to load", output)

    text = pipeline.read_text("utf-8")
    assert "Compute with:automatic" in text
    reference = tmp_path / name
    with_tensorflow = tmp_path / "with_tensorflow.cppipe"
    with_tensorflow.write_text(
        text.replace("Compute with:automatic", "Compute with:tensorflow"), "utf-8"
    )
    run_cellprofiler(with_tensorflow, reference, tmp_path / "expected")

    found, expected = numbers(tmp_path / "found"), numbers(tmp_path / "expected")
    assert found.keys() == expected.keys() == PIPELINES[name]
    for table, values in expected.items():
        assert len(values) > 1
        assert_same(found[table], values)


def assert_same(found, expected):
    """Whole numbers are equal, and all others to four digits."""
    pd.testing.assert_frame_equal(
        found, expected, check_dtype=False, check_like=True, rtol=1e-4, atol=1e-4
    )
    whole = expected.select_dtypes("integer").columns
    pd.testing.assert_frame_equal(found[whole], expected[whole], check_exact=True)


def test_a_part_of_the_release_says_what_is_missing(release, images, tmp_path):
    name = "focus_qc.cppipe"
    plugins = shutil.copytree(release / "plugins", tmp_path / "moved" / "plugins")
    pipeline = release / "example_pipelines" / name
    output = in_application(pipeline, images / name, tmp_path / "found", plugins)
    assert "measureimagefocusquality.py of version" in output
    assert "(No module named 'micrograph_networks')" in output
    assert not (tmp_path / "found" / "FocusQC_Image.csv").exists()


PROBE = """
failed = []
for statement in {statements!r}:
    try:
        exec(statement, {{}})
    except ImportError:
        failed.append(statement)
with open({result!r}, "w", encoding="utf-8") as file:
    file.write("\\n".join(failed))
"""
"""A plugin, so that it runs in the application: which imports fail there."""


def test_it_holds_all_that_the_modules_import(images, tmp_path):
    statements = {
        ast.unparse(statement)
        for tree in module_sources().values()
        for statement in import_statements(tree)
        if imported(statement)[0].split(".")[0] not in PACKAGES
    }
    assert len(statements) > 50
    lacking = {"import statistics", "from json import tool", "import pandas", "import click"}
    plugins, result = tmp_path / "plugins", tmp_path / "failed.txt"
    plugins.mkdir()
    code = PROBE.format(statements=sorted(statements | lacking), result=str(result))
    (plugins / "probe.py").write_text(code, "utf-8")
    name = "focus_qc.cppipe"
    in_application(ROOT / "example_pipelines" / name, images / name, tmp_path / "out", plugins)

    failed = set(result.read_text("utf-8").splitlines())
    assert lacking <= failed
    needed = [s for s in failed - lacking if not re.match(rf"\w+ ({'|'.join(NOT_NEEDED)})\b", s)]
    assert needed == []
