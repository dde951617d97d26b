import pytest
from plate import FOCUS, PROGRAM, needs_cellprofiler_4

from cluster_workflow.checks import check
from micrograph_networks.errors import UserError

pytestmark = needs_cellprofiler_4


def test_what_can_be_run_passes(given):
    check(PROGRAM, FOCUS, images=given / "images")
    check(PROGRAM, given / "both.cppipe", load_data=given / "plate.csv")


def edited(source, path, old, new):
    text = source.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path


@pytest.mark.parametrize(
    "old, new, complaint",
    [
        ("ModuleCount:8", "ModuleCount:7", "has no ExportToSpreadsheet module"),
        (
            "Default Output Folder|\n    Create a G",
            "Elsewhere...|/\n    Create a G",
            "Default Output",
        ),
        ('Comma (",")', "Tab", "set its delimiter to comma"),
        ("export:Image\n", "export:FocusPatches\n", "does not export Image"),
        ("CellProfiler Pipeline:", "{", "is not a pipeline file"),
    ],
)
def test_pipeline_that_gives_no_tables_is_refused(given, old, new, complaint):
    pipeline = edited(FOCUS, given / "edited.cppipe", old, new)
    with pytest.raises(UserError, match=f"edited.cppipe.*{complaint}"):
        check(PROGRAM, pipeline, images=given / "images")


def test_wrong_paths_are_refused(given):
    (given / "empty").mkdir()
    with pytest.raises(UserError, match="nowhere.cppipe is not a pipeline file"):
        check(PROGRAM, given / "nowhere.cppipe", images=given / "images")
    with pytest.raises(UserError, match="nowhere does not exist: check the path"):
        check(PROGRAM, FOCUS, images=given / "nowhere")
    with pytest.raises(UserError, match="empty is empty: check the path"):
        check(PROGRAM, FOCUS, images=given / "empty")
    with pytest.raises(UserError, match="nowhere.csv does not exist: check the path"):
        check(PROGRAM, given / "both.cppipe", load_data=given / "nowhere.csv")
    with pytest.raises(UserError, match="No pipeline is given"):
        check(PROGRAM, None, images=given / "images")
    with pytest.raises(UserError, match="Neither images nor load_data is given"):
        check(PROGRAM, FOCUS)


def test_pipeline_and_input_have_to_fit(given):
    with pytest.raises(UserError, match="focus_qc.cppipe has no LoadData module"):
        check(PROGRAM, FOCUS, load_data=given / "plate.csv")
    with pytest.raises(UserError, match="both.cppipe has a LoadData module: give the CSV"):
        check(PROGRAM, given / "both.cppipe", images=given / "images")


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("Well,Site\nB02,1\n", "neither a column FileName_NAME nor URL_NAME"),
        ("FileName_Image,PathName_Image\n", "no row below its heading"),
        ("", "neither a column FileName_NAME nor URL_NAME"),
    ],
)
def test_table_without_images_is_refused(given, text, complaint):
    (given / "plate.csv").write_text(text)
    with pytest.raises(UserError, match=f"plate.csv has {complaint}"):
        check(PROGRAM, given / "both.cppipe", load_data=given / "plate.csv")
