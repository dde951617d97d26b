import pytest
from plate import COMMAND, FOCUS, PROGRAM

from cluster_workflow.batches import BATCH_DATA, IMAGE_SETS, divide_into_batches, prepare
from cluster_workflow.cellprofiler_log import read_cellprofiler_log
from cluster_workflow.cellprofiler_process import CellProfiler
from cluster_workflow.image_sets import ImageSets
from micrograph_networks.errors import UserError


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
def test_divide_into_batches(groups, size, batches):
    assert divide_into_batches(groups, size) == batches


def image_sets(wells):
    numbers = list(range(1, len(wells) + 1))
    return ImageSets(numbers, ["Metadata_Well"], {"Metadata_Well": wells})


def test_groups_must_be_in_order():
    assert image_sets(["B02", "B02", "B03"]).groups() == [("B02",), ("B02",), ("B03",)]
    with pytest.raises(UserError, match="sort the rows of the CSV by Metadata_Well"):
        image_sets(["B02", "B03", "B02"]).groups()


def test_prepare_lists_the_rows_of_load_data(given):
    program = CellProfiler(f"{COMMAND} --data-file {given / 'plate.csv'}")
    prepare(program, given / "both.cppipe", given / "list")
    assert sorted(path.name for path in (given / "list").iterdir()) == [
        BATCH_DATA,
        IMAGE_SETS,
        "prepare.log",
    ]
    listed = ImageSets.read(given / "list" / IMAGE_SETS)
    assert divide_into_batches(listed.groups(), 100) == [(1, 2)]
    known = listed.describe(2)
    assert {name: known[name] for name in known if name.startswith(("File", "Metadata"))} == {
        "FileName_Image": "plate_B03_s2.png",
        "Metadata_Plate": "plate",
        "Metadata_Well": "B03",
        "Metadata_Site": "2",
    }


def test_prepare_without_image_sets(given):
    (given / "texts").mkdir()
    (given / "texts" / "notes.txt").write_text("no image")
    with pytest.raises(UserError, match="finds no image sets with .*focus_qc.cppipe: check images"):
        prepare(PROGRAM, FOCUS, given / "list", images=given / "texts")
    assert [path.name for path in (given / "list").iterdir()] == ["prepare.log"]


def test_log_that_ends_early_gives_its_last_line(tmp_path):
    (tmp_path / "log").write_text("Times reported are CPU\nKilled by SIGKILL\n")
    assert read_cellprofiler_log(tmp_path / "log") == ({}, "Killed by SIGKILL")
