"""CreateBatchFiles: the commands of docs/how_to/run_on_slurm.md are run with the real programs."""

import csv
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from plate import BROKEN, FOCUS, PROGRAM, ROOT, draw_plate, read_table

from cluster_workflow.batches import DONE, LOG
from cluster_workflow.image_sets import ImageSets
from cluster_workflow.merge import FAILURES, merge
from focusqual.report.options import Thresholds
from focusqual.report.paths import pictures_of
from focusqual.report.tables import read_measurements
from focusqual.report.verdicts import NOT_MEASURED, verdicts
from micrograph_networks.errors import UserError

IMAGES = "FocusQC_Image.csv"
PATCHES = "FocusQC_FocusPatches.csv"
NUMBER = "ImageNumber"


@pytest.fixture(scope="module")
def plate(tmp_path_factory):
    """Eight images in two batches, measured and merged by the page."""
    folder = tmp_path_factory.mktemp("plate")
    draw_plate(folder / "images", wells=("B02", "B03"), sites=4)
    (folder / "plate.cppipe").write_text(PROGRAM.ask("pipeline", FOCUS)["batch_pipeline"])
    page = (ROOT / "docs/how_to/run_on_slurm.md").read_text()
    blocks = re.findall(r"^ *```bash\n(.*?)^ *```$", page, flags=re.MULTILINE | re.DOTALL)
    script = "".join(textwrap.dedent(block) for block in blocks)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    result = subprocess.run(
        ["bash", "-c", script],
        env={**os.environ, "PATH": path},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    assert result.returncode == 1, result.stdout
    assert "8 image sets: 7 measured, 1 failed (merged/failures.csv)" in result.stdout
    return folder


@pytest.fixture(scope="module")
def image_sets(plate):
    return ImageSets.of_batch_data(PROGRAM, plate / "batch" / "Batch_data.h5")


@pytest.fixture
def batches(plate, tmp_path):
    """Return copies of the folders of both batches."""
    return [shutil.copytree(plate / "out" / name, tmp_path / name) for name in ("1-4", "5-8")]


def numbers(path):
    return [int(row[NUMBER]) for row in read_table(path)]


def test_the_merged_table_makes_the_page_of_the_plate(plate):
    images = read_measurements(plate / "merged" / IMAGES)
    assert sorted(images["well"]) == ["B02"] * 4 + ["B03"] * 4
    assert sorted(images["site"]) == [0, 0, 1, 1, 2, 2, 3, 3]
    lost = verdicts(images, Thresholds()) == NOT_MEASURED
    assert images["image"][lost].tolist() == [BROKEN]
    found = [path is not None for path in pictures_of(images["image"], plate / "out")]
    assert found == list(~lost)


def test_merged_tables_have_the_rows_of_their_batches(plate):
    (failure,) = read_table(plate / "merged" / FAILURES)
    assert failure["FileName_Image"] == BROKEN
    assert failure["PathName_Image"] == str(plate / "images")
    assert failure["Module"] == "NamesAndTypes"
    assert re.match("OSError: .*Could not load the file as an image.*" + BROKEN, failure["Reason"])
    images = read_table(plate / "merged" / IMAGES)
    assert [int(row[NUMBER]) for row in images] == list(range(1, 9))
    (broken,) = (row for row in images if row["Failure"])
    assert broken["FileName_Image"] == BROKEN
    assert broken["ImageFocus_Score_Image"] == ""
    for name in (IMAGES, PATCHES):
        merged = read_table(plate / "merged" / name)
        rows = [row for batch in ("1-4", "5-8") for row in read_table(plate / "out" / batch / name)]
        assert [
            {column: value for column, value in row.items() if column != "Failure"}
            for row in merged
            if row[NUMBER] != failure[NUMBER]
        ] == [row for row in rows if row[NUMBER] != failure[NUMBER]]


def test_batch_that_was_killed_has_failed_until_it_is_repeated(
    plate, image_sets, batches, tmp_path
):
    killed = Path(shutil.copytree(batches[0], tmp_path / "1-4_killed"))
    (killed / DONE).unlink()
    assert merge(image_sets, [killed, batches[1]], tmp_path / "merged") == (8, 5)
    assert numbers(tmp_path / "merged" / IMAGES) == list(range(1, 9))
    assert set(numbers(tmp_path / "merged" / PATCHES)) == {5, 7, 8}
    reasons = [row["Reason"] for row in read_table(tmp_path / "merged" / FAILURES)]
    assert all(reason.startswith("CellProfiler did not finish: ") for reason in reasons[:4])
    assert merge(image_sets, [killed, *batches], tmp_path / "repeated") == (8, 1)
    for name in (IMAGES, PATCHES):
        assert numbers(tmp_path / "repeated" / name) == numbers(plate / "merged" / name)


def test_wrong_folders_are_refused(image_sets, batches, tmp_path):
    again = shutil.copytree(batches[0], tmp_path / "1-4_again")
    with pytest.raises(UserError, match=r"Image set \d was measured in .*1-4.* and in .*1-4"):
        merge(image_sets, [again, *batches], tmp_path / "merged")
    with pytest.raises(UserError, match="Image set 5 is in none of the folders"):
        merge(image_sets, batches[:1], tmp_path / "merged")
    (batches[0] / LOG).unlink()
    with pytest.raises(UserError, match="1-4 is not the folder of a batch: name it by its first"):
        merge(image_sets, batches, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_columns_that_a_batch_lacks_are_empty(plate, image_sets, batches, tmp_path):
    table = batches[1] / PATCHES
    rows = read_table(table)
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(
            file, [c for c in rows[0] if c != "Location_Center_X"], extrasaction="ignore"
        )
        writer.writeheader()
        writer.writerows(rows)
    merge(image_sets, batches, tmp_path / "merged")
    merged = read_table(tmp_path / "merged" / PATCHES)
    assert {row["Location_Center_X"] == "" for row in merged if int(row[NUMBER]) > 4} == {True}
    assert {row["Location_Center_X"] == "" for row in merged if int(row[NUMBER]) <= 4} == {False}
    assert [row["Location_Center_Y"] for row in merged] == [
        row["Location_Center_Y"] for row in read_table(plate / "merged" / PATCHES)
    ]


def test_heading_of_two_lines_stays(plate, image_sets, batches, tmp_path):
    """ExportToSpreadsheet writes the names of combined objects in a line above the features."""
    for batch in batches:
        columns, *lines = (batch / PATCHES).read_text().splitlines(keepends=True)
        above = ",".join(["Image", *["FocusPatches"] * columns.count(",")]) + "\n"
        (batch / PATCHES).write_text("".join([above, columns, *lines]))
    merge(image_sets, batches, tmp_path / "merged")
    assert (tmp_path / "merged" / PATCHES).read_text().split("\n")[:2] == [
        above.strip(),
        columns.strip(),
    ]
    assert (tmp_path / "merged" / PATCHES).read_text().split("\n", 1)[1] == (
        plate / "merged" / PATCHES
    ).read_text()
