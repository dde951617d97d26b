import csv

import pytest

from cluster_workflow.batches import DONE, LOG
from cluster_workflow.image_sets import ImageSets
from cluster_workflow.merge import merge
from micrograph_networks.errors import UserError


@pytest.fixture
def batch(tmp_path):
    """Output folder of one process that measured one image set."""
    folder = tmp_path / "1-1"
    folder.mkdir()
    (folder / LOG).write_text("")
    (folder / DONE).write_text("Complete")
    (folder / "Image.csv").write_bytes(b"ImageNumber,FileName_DNA\n1,\xff.tif\n")
    return folder


IMAGE_SETS = ImageSets([1], [], {})


def test_names_that_are_not_utf_8_become_escapes(batch, tmp_path):
    assert merge(IMAGE_SETS, [batch], tmp_path / "merged") == (1, 0)
    with (tmp_path / "merged" / "Image.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file))[1] == ["1", "\\udcff.tif", ""]


@pytest.mark.parametrize("row", ["1", "one,a.tif"])
def test_damaged_tables_are_named(batch, tmp_path, row):
    (batch / "Image.csv").write_text(f"ImageNumber,FileName_DNA\n{row}\n")
    with pytest.raises(UserError, match="Image.csv: line 2 is damaged: run the batch again"):
        merge(IMAGE_SETS, [batch], tmp_path / "merged")


def test_tables_of_a_batch_are_not_replaced(batch):
    for output in (batch, batch / "merged"):
        with pytest.raises(UserError, match="is the folder of a batch: choose another"):
            merge(IMAGE_SETS, [batch], output)
