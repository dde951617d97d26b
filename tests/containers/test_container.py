"""The container, built and run without a container engine (see chroot.py); make test-container."""

import json
import re
import shutil

import pandas as pd
import pytest
from cellprofiler_core import preferences
from chroot import ROOT
from support import CELL_MODELS, FOCUS_MODELS

from micrograph_networks.images.image_files import write_tiff

PIPELINES = ROOT / "example_pipelines"
SHARP = "01_POS002_D.TIF"

pytestmark = pytest.mark.container


@pytest.fixture(scope="module")
def harness():
    """Helpers of the module tests; importing them starts CellProfiler in this process."""
    preferences.set_headless()
    import harness

    return harness


@pytest.fixture(scope="module")
def focus(container, tmp_path_factory, fly_images):
    """Folder with a real image and defocused copies, made and measured in the container."""
    folder = tmp_path_factory.mktemp("focus")
    shutil.copy(PIPELINES / "focus_qc.cppipe", folder)
    (folder / "images").mkdir()
    write_tiff(folder / "images" / SHARP, fly_images[SHARP])
    levels = ["--level", "3", "--level", "10", "--output", "images"]
    container.run("focusqual", "degrade", f"images/{SHARP}", *levels, data=folder)
    arguments = ["-c", "-r", "-p", "focus_qc.cppipe", "-i", "images", "-o", "measured"]
    container.run(*container.entry_point, *arguments, data=folder)
    return folder


def assert_same_as_here(harness, folder, pipeline, tmp_path):
    """Assert that the tables are those of CellProfiler in .venv, to four digits."""
    harness.run_cellprofiler(PIPELINES / pipeline, folder / "images", tmp_path)
    found, expected = harness.numbers(folder / "measured"), harness.numbers(tmp_path)
    assert found.keys() == expected.keys() != set()
    for table, values in expected.items():
        assert len(values) > 1
        pd.testing.assert_frame_equal(
            found[table], values, check_dtype=False, check_like=True, rtol=1e-4, atol=1e-4
        )


def test_focus_is_measured(harness, focus, tmp_path):
    table = pd.read_csv(focus / "measured" / "FocusQC_Image.csv").set_index("FileName_Image")
    scores = table["ImageFocus_Score_Image"].to_dict()
    assert scores.pop(SHARP) <= 1
    near, far = (scores[name] for name in sorted(scores, key=lambda name: "_level10" in name))
    assert abs(near - 3) <= 1
    assert far >= 9
    assert_same_as_here(harness, focus, "focus_qc.cppipe", tmp_path)


def test_dark_field_is_segmented(harness, container, tmp_path):
    folder = tmp_path / "darkfield"
    folder.mkdir()
    shutil.copy(PIPELINES / "darkfield_evaluate.cppipe", folder)
    container.run("segment-darkfield", "scenes", "--output", ".", "--count", "2", data=folder)
    masks = [f"masks/{path.name}" for path in sorted((folder / "masks").iterdir())]
    options = ["--keep", "blood cell", "--output", "images"]
    container.run("segment-darkfield", "convert-masks", *masks, *options, data=folder)
    arguments = ["-c", "-r", "-p", "darkfield_evaluate.cppipe", "-i", "images", "-o", "measured"]
    container.run(*container.entry_point, *arguments, data=folder)
    table = pd.read_csv(folder / "measured" / "DarkfieldEvaluation_Image.csv")
    assert len(table) == 2
    assert (table["Overlap_Ffactor_BloodCellMask"] > 0.9).all()
    assert_same_as_here(harness, folder, "darkfield_evaluate.cppipe", tmp_path / "here")


def test_the_models_are_there(container, tmp_path):
    for program, models in (("focusqual", FOCUS_MODELS), ("segment-darkfield", CELL_MODELS)):
        assert models[-1].name in container.run(program, "models", data=tmp_path)


def test_its_versions_are_those_of_the_lock(container, tmp_path):
    code = "import importlib.metadata as m, json; "
    code += "print(json.dumps({d.metadata['Name']: d.version for d in m.distributions()}))"
    found = {
        re.sub(r"[-_.]+", "-", name).lower(): version
        for name, version in json.loads(container.run("python", "-c", code, data=tmp_path)).items()
    }
    assert found.pop("cellprofiler-focus-darkfield")
    locks = [ROOT / "requirements" / name for name in ("stable.txt", "databases.txt")]
    text = "".join(path.read_text() for path in locks)
    locked = dict(re.findall(r"^([\w-]+)==(\S+)", text, re.M))
    assert {name: locked.get(name) for name in found} == found
    assert {"cellprofiler", "mysqlclient"} <= found.keys()
    assert not {"tensorflow-cpu", "pytest"} & found.keys()


def test_databases_can_be_written(container, tmp_path):
    container.run("python", "-c", "import MySQLdb, sqlite3", data=tmp_path)


def test_what_built_it_is_gone(container):
    for path in (".uv", "build"):
        assert not (container.root / "opt" / "cellprofiler" / path).exists()
    assert not list((container.root / "usr" / "bin").glob("*gcc*"))


def test_the_command_of_nextflow_runs(container, focus, read_process, tmp_path):
    shutil.copytree(focus / "images", tmp_path / "images")
    shutil.copy(focus / "focus_qc.cppipe", tmp_path)
    container.run("bash", "-ue", "-c", read_process().stdout, data=tmp_path)
    assert len(pd.read_csv(tmp_path / "measured" / "FocusQC_Image.csv")) == 3
    assert (tmp_path / "versions.yml").read_text() == "'MEASURE': {cellprofiler: 4.2.8.1}\n"
