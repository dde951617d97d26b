"""Questions to CellProfiler's own Python, and how that Python is found."""

import re
import sys

import pytest
from plate import CELLPROFILER, FOCUS, PROGRAM, ROOT

from cluster_workflow.cellprofiler_process import CellProfiler
from micrograph_networks.errors import UserError

PLUGINS = f"--plugins-directory {ROOT / 'plugins'}"


def script(path, *lines):
    path.write_text("\n".join(lines) + "\n")
    path.chmod(0o755)
    return path


def assert_answers(program):
    assert "MeasureImageFocusQuality" in program.ask("pipeline", FOCUS)["modules"]


def test_answer_about_a_pipeline(tmp_path):
    answer = PROGRAM.ask("pipeline", FOCUS)
    assert answer["modules"][:4] == ["Images", "Metadata", "NamesAndTypes", "Groups"]
    assert answer["modules"][4] == "MeasureImageFocusQuality"
    (export,) = answer["exports"]
    assert export == {"folder": "Default Output Folder", "delimiter": ",", "image": True}
    # CreateBatchFiles is added to the end, and only once.
    text = answer["batch_pipeline"]
    assert "ModuleCount:9\n" in text and text.count("CreateBatchFiles:[module_num:9|") == 1
    assert text.replace("ModuleCount:9", "ModuleCount:8").startswith(FOCUS.read_text().rstrip("\n"))
    path = tmp_path / "again.cppipe"
    path.write_text(text)
    assert PROGRAM.ask("pipeline", path)["batch_pipeline"] == text


def test_answer_about_an_edited_pipeline(tmp_path):
    """It has a list of files, metadata from a table, and a disabled ExportToSpreadsheet."""
    head, export = FOCUS.read_text().split("ExportToSpreadsheet:")
    text = f"{head}ExportToSpreadsheet:{export.replace('enabled:True', 'enabled:False')}"
    for old, new in (
        ("PlaneDetails:False", "PlaneDetails:True"),
        ("Extract metadata?:No", "Extract metadata?:Yes"),
        ("method:Extract from file/folder names", "method:Import from file"),
    ):
        assert old in text
        text = text.replace(old, new)
    files = '"Version":"1","PlaneCount":"1"\n"URL","Series","Index","Channel"\n"file:///a.png",,,\n'
    path = tmp_path / "edited.cppipe"
    path.write_text(f"{text}\n{files}")
    answer = PROGRAM.ask("pipeline", path)
    assert answer["modules"][1] == "Metadata"
    assert answer["exports"] == [] and "ExportToSpreadsheet" not in answer["modules"]
    assert "HasImagePlaneDetails:False\n" in answer["batch_pipeline"]
    assert "a.png" not in answer["batch_pipeline"]


def test_answer_about_image_sets(tmp_path):
    from cellprofiler_core.measurement import Measurements

    path = tmp_path / "Batch_data.h5"
    measurements = Measurements(filename=str(path), mode="w")
    given = {
        "ImageNumber": [1, 2, 3],
        "FileName_DNA": ["a.png", "b.png", "ü.png"],
        "Series_DNA": [0, 0, 1],
        "Metadata_Note": [None, "blurred", None],
        "Metadata_Dose": [1.5, None, 2.5],
    }
    for name, values in given.items():
        measurements.hdf5_dict["Image", name, [1, 2, 3]] = values
    measurements.set_grouping_tags(["Series_DNA"])
    measurements.close()
    assert PROGRAM.ask("image_sets", path) == {
        "numbers": [1, 2, 3],
        "tags": ["Series_DNA"],
        "values": {"FileName_DNA": ["a.png", "b.png", "ü.png"], "Series_DNA": ["0", "0", "1"]},
    }


@pytest.mark.parametrize(
    "question, path, complaint",
    [
        ("image_sets", FOCUS, "is not a file of CellProfiler's CreateBatchFiles"),
        ("image_sets", "nowhere.h5", "is not a file of CellProfiler's CreateBatchFiles"),
        (
            "image_sets",
            next((ROOT / "model_weights").glob("*.h5")),
            "is not a file of CellProfiler's CreateBatchFiles",
        ),
        ("pipeline", "nowhere.cppipe", "is not a pipeline file"),
        ("pipeline", ROOT / "setup.py", "is not a pipeline file"),
    ],
)
def test_other_files_are_refused(question, path, complaint):
    with pytest.raises(UserError, match=complaint):
        PROGRAM.ask(question, path)


def test_missing_module_is_named_whatever_modules_print(tmp_path):
    (tmp_path / "chatty.py").write_text("print('{}')\n")
    program = CellProfiler(f"{CELLPROFILER} --plugins-directory={tmp_path}")
    with pytest.raises(
        UserError,
        match=r"focus_qc.cppipe \(Could not find the MeasureImageFocusQuality module\): "
        "check its modules, and --plugins-directory of cellprofiler.$",
    ):
        program.ask("pipeline", FOCUS)


def test_python_in_the_first_line_of_the_script(tmp_path):
    program = script(tmp_path / "cellprofiler", f"#!{sys.executable} -s")
    assert_answers(CellProfiler(f"{program} {PLUGINS}"))


def test_python_in_the_folder_of_the_script(tmp_path):
    """Installers write a shell script if the path of the Python is too long."""
    program = script(tmp_path / "cellprofiler", "#!/bin/sh")
    with pytest.raises(
        UserError, match="cellprofiler is not found: name it as cellprofiler_python"
    ):
        CellProfiler(str(program)).ask("pipeline", FOCUS)
    script(tmp_path / "python", "#!/bin/sh", f'exec {sys.executable} "$@"')
    assert_answers(CellProfiler(f"{program} {PLUGINS}"))


def test_python_that_is_named():
    assert_answers(CellProfiler(f"env {CELLPROFILER} {PLUGINS}", python=f"env {sys.executable}"))


@pytest.mark.parametrize(
    "command, python, complaint",
    [
        ("nowhere/cellprofiler", "", "nowhere/cellprofiler cannot be run .*check the command"),
        ("", "", "The command of CellProfiler, '', cannot be read .*: check cellprofiler"),
        ("cell'profiler", "", "cannot be read .No closing quotation.: check cellprofiler"),
        ("cellprofiler", "nowhere/python", "nowhere/python does not answer .*No such file"),
        ("cellprofiler", "/bin/false", r"/bin/false does not answer .*\(exit 1\)"),
        (
            "cellprofiler",
            f"{sys.executable} -I -S",
            "No module named .*: check the command cellprofiler, or name its Python as",
        ),
    ],
)
def test_other_programs_are_refused(command, python, complaint):
    with pytest.raises(UserError, match=complaint) as raised:
        CellProfiler(command, python).ask("pipeline", FOCUS)
    assert re.search("cellprofiler(_python)?[.]$", str(raised.value))
