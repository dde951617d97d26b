"""What CellProfiler's own Python is asked, and how it is found."""

import re
import sys

import pytest
from plate import CELLPROFILER, FOCUS, PROGRAM, ROOT, needs_cellprofiler_4

from cluster_workflow.cellprofiler_process import CellProfiler
from micrograph_networks.errors import UserError

pytestmark = needs_cellprofiler_4

PLUGINS = f"--plugins-directory {ROOT / 'plugins'}"


def script(path, first):
    path.write_text(f"{first}\n")
    path.chmod(0o755)
    return path


def modules(program):
    return program.ask("pipeline", FOCUS)["modules"]


def test_pipeline_in_facts():
    found = PROGRAM.ask("pipeline", FOCUS)
    assert found["modules"][:4] == ["Images", "Metadata", "NamesAndTypes", "Groups"]
    assert found["modules"][4] == "MeasureImageFocusQuality"
    (export,) = found["exports"]
    assert export == {"folder": "Default Output Folder", "delimiter": ",", "image": True}


def test_create_batch_files_comes_last_and_once(tmp_path):
    once = PROGRAM.ask("pipeline", FOCUS)["batch_pipeline"]
    path = tmp_path / "once.cppipe"
    path.write_text(once)
    assert PROGRAM.ask("pipeline", path)["batch_pipeline"] == once
    assert "ModuleCount:9\n" in once and once.count("CreateBatchFiles:[module_num:9|") == 1
    # Apart from that, the pipeline is as it was.
    assert once.replace("ModuleCount:9", "ModuleCount:8").startswith(FOCUS.read_text().rstrip("\n"))


def test_list_of_files_is_left_out(tmp_path):
    path = tmp_path / "listed.cppipe"
    text = FOCUS.read_text().replace("PlaneDetails:False", "PlaneDetails:True")
    files = '"Version":"1","PlaneCount":"1"\n"URL","Series","Index","Channel"\n"file:///a.png",,,\n'
    path.write_text(f"{text}\n{files}")
    text = PROGRAM.ask("pipeline", path)["batch_pipeline"]
    assert "HasImagePlaneDetails:False\n" in text and "a.png" not in text


def test_module_that_is_switched_off_does_not_count(tmp_path):
    path = tmp_path / "off.cppipe"
    head, export = FOCUS.read_text().split("ExportToSpreadsheet:")
    path.write_text(f"{head}ExportToSpreadsheet:{export.replace('enabled:True', 'enabled:False')}")
    found = PROGRAM.ask("pipeline", path)
    assert found["exports"] == [] and "ExportToSpreadsheet" not in found["modules"]


def test_metadata_from_a_table_needs_no_java(tmp_path):
    """Nobody has started it in the process that is asked."""
    path = tmp_path / "imported.cppipe"
    text = FOCUS.read_text()
    assert "Metadata extraction method:Extract from file/folder names" in text
    text = text.replace("Extract metadata?:No", "Extract metadata?:Yes").replace(
        "Metadata extraction method:Extract from file/folder names",
        "Metadata extraction method:Import from file",
    )
    path.write_text(text)
    assert PROGRAM.ask("pipeline", path)["modules"][1] == "Metadata"


def test_image_sets_as_measurements_have_them(tmp_path):
    from cellprofiler_core.measurement import Measurements

    path = tmp_path / "Batch_data.h5"
    measurements = Measurements(filename=str(path), mode="w")
    given = {
        "ImageNumber": [1, 2, 3],
        "FileName_DNA": ["a.png", "b.png", "ü.png"],
        "Series_DNA": [0, 0, 1],
        # Not one value each.
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


@pytest.mark.parametrize("name", ["focus_qc.cppipe", "nowhere.h5"])
def test_other_file_than_of_create_batch_files_is_refused(name):
    path = FOCUS.with_name(name)
    with pytest.raises(UserError, match=f"{name} is not a file of CellProfiler's CreateBatchFiles"):
        PROGRAM.ask("image_sets", path)


def test_hdf5_file_of_something_else_is_refused():
    path = next((ROOT / "model_weights").glob("*.h5"))
    with pytest.raises(UserError, match="is not a file of CellProfiler's CreateBatchFiles"):
        PROGRAM.ask("image_sets", path)


def test_module_that_cellprofiler_lacks_is_named(tmp_path):
    program = CellProfiler(f"{CELLPROFILER} --plugins-directory {tmp_path}")
    with pytest.raises(
        UserError,
        match=r"focus_qc.cppipe \(Could not find the MeasureImageFocusQuality module\): "
        "check its modules, and --plugins-directory of cellprofiler.$",
    ):
        program.ask("pipeline", FOCUS)


def test_what_modules_print_does_not_get_into_the_answer(tmp_path):
    (tmp_path / "chatty.py").write_text("print('{}')\n")
    program = CellProfiler(f"{CELLPROFILER} --plugins-directory={tmp_path}")
    with pytest.raises(UserError, match="Could not find the MeasureImageFocusQuality module"):
        program.ask("pipeline", FOCUS)


@pytest.mark.parametrize(
    "first",
    [
        f"#!{sys.executable}",
        f"#!{sys.executable} -s",
        # As installers write them where the path is too long.
        "#!/bin/sh",
    ],
)
def test_python_of_a_script(tmp_path, first):
    program = script(tmp_path / "cellprofiler", first)
    if first == "#!/bin/sh":
        (tmp_path / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        (tmp_path / "python").chmod(0o755)
    assert "MeasureImageFocusQuality" in modules(CellProfiler(f"{program} {PLUGINS}"))


def test_python_as_the_program():
    command = f"{sys.executable} -m cellprofiler {PLUGINS}"
    assert "MeasureImageFocusQuality" in modules(CellProfiler(command))


def test_python_that_is_not_found_can_be_named(tmp_path):
    program = script(tmp_path / "cellprofiler", "#!/bin/sh")
    with pytest.raises(
        UserError, match="cellprofiler is not found: name it as cellprofiler_python"
    ):
        modules(CellProfiler(str(program)))
    assert modules(CellProfiler(f"{program} {PLUGINS}", python=sys.executable))


def test_commands_behind_another_one():
    program = CellProfiler(f"env {CELLPROFILER} {PLUGINS}", python=f"env {sys.executable}")
    assert "MeasureImageFocusQuality" in modules(program)


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
def test_python_that_is_none_of_cellprofiler(command, python, complaint):
    with pytest.raises(UserError, match=complaint) as raised:
        CellProfiler(command, python).ask("pipeline", FOCUS)
    assert re.search("cellprofiler(_python)?[.]$", str(raised.value))
