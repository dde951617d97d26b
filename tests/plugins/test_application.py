"""Test the release in the CellProfiler application, frozen like the real one but without a window.

`make test-stock` builds the application and runs these tests. Its exit code is always 0, so the
tests look at tables and output.
"""

import ast
import re
import shutil
import subprocess

import pandas as pd
import pytest
from harness import ROOT, TABLES, assert_same_numbers, run_cellprofiler, with_report
from sources import PACKAGES, import_statements, imported, module_sources
from support import until

APPLICATION = ROOT / "build" / "application" / "CellProfiler" / "CellProfiler"
NOT_NEEDED = ("filelock", "imagecodecs", "pandas", "pyarrow", "tensorflow", "wx")
"""Imports that may fail in the application: trainings use filelock, the command line imagecodecs,
Parquet pandas and pyarrow, TensorFlow is optional, and wx belongs to applications with a window."""

pytestmark = pytest.mark.application


def run_application(pipeline, images, output, plugins):
    """Run a pipeline in the application, and return what it prints."""
    if not APPLICATION.exists():
        pytest.fail(f"{APPLICATION} does not exist: make test-stock builds it")
    command = [APPLICATION, "-c", "-r", "-p", pipeline, "-i", images, "-o", output]
    return subprocess.run(
        [*command, "--plugins-directory", plugins],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=True,
    ).stdout


@pytest.mark.parametrize("name", TABLES)
def test_its_tables_are_those_of_tensorflow(name, release, example_images, tmp_path):
    pipeline, images = release / "example_pipelines" / name, example_images / name
    output = run_application(pipeline, images, tmp_path / "found", release / "plugins")
    assert "numpy computes" in output
    assert not re.search("Could not load|Failed to load", output)

    text = pipeline.read_text("utf-8")
    assert "Compute with:automatic" in text
    with_tensorflow = tmp_path / "with_tensorflow.cppipe"
    with_tensorflow.write_text(
        text.replace("Compute with:automatic", "Compute with:tensorflow"), "utf-8"
    )
    run_cellprofiler(with_tensorflow, images, tmp_path / "expected")
    assert_same_numbers(tmp_path / "found", tmp_path / "expected", TABLES[name], 1e-4)


def test_it_writes_a_report_that_opens_in_a_browser(release, example_images, tmp_path, browser):
    folder = example_images / "focus_qc.cppipe"
    for number, path in enumerate(sorted(folder.iterdir()), 1):
        path.rename(folder / f"p1_A{number:02}_s1{path.suffix}")
    pipeline = with_report(release / "example_pipelines" / folder.name, tmp_path)
    output = run_application(pipeline, folder, tmp_path / "out", release / "plugins")
    assert "MeasureImageFocusQuality wrote " in output
    excluded = pd.read_csv(tmp_path / "out" / "FocusReport_Image_excluded_wells.csv")
    assert (tmp_path / "out" / "FocusReport_Image_image_again.csv").is_file()
    browser.get((tmp_path / "out" / "FocusReport_Image.html").as_uri())
    until(lambda: browser.find_element("id", "counts").text)
    assert browser.find_element("id", "counts").text.startswith("4 images: ")
    assert f"{len(excluded)} excluded wells" in browser.find_element("id", "counts").text
    assert len(browser.find_elements("css selector", "#worst img")) == len(excluded)
    assert browser.get_log("browser") == []


def test_an_incomplete_release_explains_what_is_missing(release, example_images, tmp_path):
    name = "focus_qc.cppipe"
    plugins = shutil.copytree(release / "plugins", tmp_path / "moved" / "plugins")
    pipeline = release / "example_pipelines" / name
    output = run_application(pipeline, example_images / name, tmp_path / "found", plugins)
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
"""A plugin that records which imports fail in the application."""


def test_it_has_everything_that_the_modules_import(example_images, tmp_path):
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
    pipeline = ROOT / "example_pipelines" / name
    run_application(pipeline, example_images / name, tmp_path / "out", plugins)

    failed = set(result.read_text("utf-8").splitlines())
    assert lacking <= failed
    needed = [s for s in failed - lacking if not re.match(rf"\w+ ({'|'.join(NOT_NEEDED)})\b", s)]
    assert needed == []
