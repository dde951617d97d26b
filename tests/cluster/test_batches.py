import h5py
import pytest
from batches import ImageSets, check, prepare, split, with_create_batch_files
from cellprofiler_log import read_log
from plate import (
    CELLPROFILER,
    CELLPROFILER_4,
    COMMAND,
    FOCUS,
    draw_plate,
    list_plate,
    write_pipeline_of_both,
)

from micrograph_networks.errors import UserError

needs_cellprofiler_4 = pytest.mark.skipif(
    not CELLPROFILER_4, reason="the workflow is for CellProfiler 4"
)


@pytest.fixture
def given(tmp_path):
    """Folder of images, its table for LoadData, and a pipeline that reads the table."""
    draw_plate(tmp_path / "images", wells=("B03",), sites=2)
    list_plate(tmp_path / "images", tmp_path / "plate.csv")
    write_pipeline_of_both(tmp_path / "both.cppipe")
    return tmp_path


@pytest.mark.parametrize(
    "groups, size, batches",
    [
        ([1, 2, 3, 4, 5], 2, [(1, 2), (3, 4), (5, 5)]),
        ([1, 2, 3, 4], 2, [(1, 2), (3, 4)]),
        ([1, 2, 3], 100, [(1, 3)]),
        ([1, 2, 3], 1, [(1, 1), (2, 2), (3, 3)]),
        (["a", "a", "a", "b", "b", "c"], 2, [(1, 3), (4, 5), (6, 6)]),
        (["a", "a", "a", "b", "b", "c"], 4, [(1, 5), (6, 6)]),
    ],
)
def test_split(groups, size, batches):
    assert split(groups, size) == batches


def batch_data(path, wells, tags):
    """A file as CreateBatchFiles writes it, with a grouping."""
    with h5py.File(path, "w") as file:
        top = file.create_group("Measurements/2020-01-01-00-00-00")
        top["Experiment/Metadata_GroupingTags/data"] = [tags]
        numbers = range(1, len(wells) + 1)
        for name, values in (("ImageNumber", numbers), ("Metadata_Well", wells)):
            top[f"Image/{name}/data"] = values
            top[f"Image/{name}/index"] = [(number, number - 1, number) for number in numbers]
    return path


def test_groups_are_kept_whole(tmp_path):
    path = batch_data(tmp_path / "data.h5", ["B02", "B02", "B03"], '["Metadata_Well"]')
    assert split(ImageSets(path).groups(), 1) == [(1, 2), (3, 3)]


def test_groups_that_are_not_in_order_are_refused(tmp_path):
    path = batch_data(tmp_path / "data.h5", ["B02", "B03", "B02"], '["Metadata_Well"]')
    with pytest.raises(UserError, match="sort the rows of the CSV by Metadata_Well"):
        ImageSets(path).groups()


@needs_cellprofiler_4
def test_prepare_lists_the_rows_of_load_data(given):
    path = given / "list" / "Batch_data.h5"
    prepare(f"{COMMAND} --data-file {given / 'plate.csv'}", given / "both.cppipe", path)
    image_sets = ImageSets(path)
    assert split(image_sets.groups(), 100) == [(1, 2)]
    known = image_sets.describe(2)
    assert {name: known[name] for name in known if name.startswith(("File", "Metadata"))} == {
        "FileName_Image": "plate_B03_s2.png",
        "Metadata_Plate": "plate",
        "Metadata_Well": "B03",
        "Metadata_Site": "2",
    }


@needs_cellprofiler_4
def test_prepare_names_a_module_that_cellprofiler_lacks(given):
    command = f"{CELLPROFILER} --plugins-directory {given}"
    with pytest.raises(UserError, match="Could not find the MeasureImageFocusQuality module"):
        prepare(command, FOCUS, given / "Batch_data.h5", images=given / "images")
    assert not (given / "Batch_data.h5").exists()


def test_prepare_without_cellprofiler(given):
    with pytest.raises(UserError, match="nowhere/cellprofiler cannot be run .*check the command"):
        prepare("nowhere/cellprofiler", FOCUS, given / "Batch_data.h5", images=given / "images")


def test_create_batch_files_comes_last_and_once(tmp_path):
    once = with_create_batch_files(FOCUS)
    path = tmp_path / "once.cppipe"
    path.write_text(once)
    assert with_create_batch_files(path) == once
    assert "ModuleCount:9\n" in once and once.count("CreateBatchFiles:[module_num:9|") == 1
    # Apart from that, the pipeline is as it was.
    assert once.replace("ModuleCount:9", "ModuleCount:8").startswith(FOCUS.read_text().rstrip("\n"))


def test_what_can_be_run_passes(given):
    check(FOCUS, images=given / "images")
    check(given / "both.cppipe", load_data=given / "plate.csv")


def edited(source, path, old, new):
    text = source.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path


@pytest.mark.parametrize(
    "old, new, complaint",
    [
        ("ExportToSpreadsheet:", "Export:", "has no ExportToSpreadsheet module"),
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
        check(pipeline, images=given / "images")


def test_wrong_paths_are_refused(given):
    (given / "empty").mkdir()
    with pytest.raises(UserError, match="nowhere.cppipe is not a pipeline file"):
        check(given / "nowhere.cppipe", images=given / "images")
    with pytest.raises(UserError, match="nowhere does not exist: check the path"):
        check(FOCUS, images=given / "nowhere")
    with pytest.raises(UserError, match="empty is empty: check the path"):
        check(FOCUS, images=given / "empty")
    with pytest.raises(UserError, match="nowhere.csv does not exist: check the path"):
        check(given / "both.cppipe", load_data=given / "nowhere.csv")
    with pytest.raises(UserError, match="No pipeline is given"):
        check(None, images=given / "images")
    with pytest.raises(UserError, match="Neither images nor load_data is given"):
        check(FOCUS)


def test_pipeline_and_input_have_to_fit(given):
    with pytest.raises(UserError, match="focus_qc.cppipe has no LoadData module"):
        check(FOCUS, load_data=given / "plate.csv")
    with pytest.raises(UserError, match="both.cppipe has a LoadData module: give the CSV"):
        check(given / "both.cppipe", images=given / "images")


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
        check(given / "both.cppipe", load_data=given / "plate.csv")


def test_log_that_ends_early_gives_its_last_line(tmp_path):
    (tmp_path / "log").write_text("Times reported are CPU\nKilled by SIGKILL\n")
    assert read_log(tmp_path / "log") == ({}, "Killed by SIGKILL")
