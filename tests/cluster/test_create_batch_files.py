"""The usual way, with the commands of docs/cluster.md and the real programs."""

import csv
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from plate import BROKEN, FOCUS, PROGRAM, ROOT, draw_plate, needs_cellprofiler_4, read_table

from cluster_workflow.batches import DONE, LOG
from cluster_workflow.image_sets import ImageSets
from cluster_workflow.merge import FAILURES, merge
from focusqual.report.measurements import pictures_of, read_measurements
from focusqual.report.options import Thresholds
from focusqual.report.verdicts import NOT_MEASURED, verdicts
from micrograph_networks.errors import UserError

pytestmark = needs_cellprofiler_4

IMAGES = "FocusQC_Image.csv"
PATCHES = "FocusQC_FocusPatches.csv"
NUMBER = "ImageNumber"


@pytest.fixture(scope="module")
def plate(tmp_path_factory):
    """Eight images in two batches, run and merged by the commands of the page."""
    folder = tmp_path_factory.mktemp("plate")
    draw_plate(folder / "images", wells=("B02", "B03"))
    (folder / "plate.cppipe").write_text(PROGRAM.ask("pipeline", FOCUS)["batch_pipeline"])
    page = (ROOT / "docs" / "cluster.md").read_text()
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
    """Copies of the folders of both batches."""
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


def test_every_image_set_is_measured_or_has_failed(plate):
    images = read_table(plate / "merged" / IMAGES)
    assert [int(row[NUMBER]) for row in images] == list(range(1, 9))
    (broken,) = (row for row in images if row["Failure"])
    assert broken["FileName_Image"] == BROKEN
    assert broken["ImageFocus_Score_Image"] == ""
    measured = [row for row in images if row is not broken]
    assert all(0 <= float(row["ImageFocus_Score_Image"]) <= 10 for row in measured)
    patches = {int(row[NUMBER]) for row in read_table(plate / "merged" / PATCHES)}
    assert patches == {int(row[NUMBER]) for row in measured}


def test_rows_of_measured_image_sets_are_those_of_their_batch(plate):
    for name in (IMAGES, PATCHES):
        merged = read_table(plate / "merged" / name)
        rows = [row for batch in ("1-4", "5-8") for row in read_table(plate / "out" / batch / name)]
        (failed,) = (int(row[NUMBER]) for row in read_table(plate / "merged" / FAILURES))
        assert [
            {column: value for column, value in row.items() if column != "Failure"}
            for row in merged
            if int(row[NUMBER]) != failed
        ] == [row for row in rows if int(row[NUMBER]) != failed]


def test_failures_name_file_module_and_reason(plate):
    (row,) = read_table(plate / "merged" / FAILURES)
    assert row["FileName_Image"] == BROKEN
    assert row["PathName_Image"] == str(plate / "images")
    assert row["Module"] == "NamesAndTypes"
    assert re.match("OSError: .*Could not load the file as an image.*" + BROKEN, row["Reason"])


def test_batch_that_was_killed_has_failed(plate, image_sets, batches, tmp_path):
    (batches[0] / DONE).unlink()
    assert merge(image_sets, batches, tmp_path / "merged") == (8, 5)
    assert numbers(tmp_path / "merged" / IMAGES) == list(range(1, 9))
    assert set(numbers(tmp_path / "merged" / PATCHES)) == {5, 7, 8}
    reasons = [row["Reason"] for row in read_table(tmp_path / "merged" / FAILURES)]
    assert all(reason.startswith("CellProfiler did not finish: ") for reason in reasons[:4])


def test_batch_that_was_repeated_counts_once(plate, image_sets, batches, tmp_path):
    killed = Path(shutil.copytree(batches[0], tmp_path / "1-4_killed"))
    (killed / DONE).unlink()
    assert merge(image_sets, [killed, *batches], tmp_path / "merged") == (8, 1)
    assert numbers(tmp_path / "merged" / IMAGES) == list(range(1, 9))
    assert numbers(tmp_path / "merged" / PATCHES) == numbers(plate / "merged" / PATCHES)


def test_image_set_measured_twice_is_refused(plate, image_sets, batches, tmp_path):
    again = shutil.copytree(batches[0], tmp_path / "1-4_again")
    with pytest.raises(UserError, match=r"Image set \d was measured in .*1-4.* and in .*1-4"):
        merge(image_sets, [again, *batches], tmp_path / "merged")


def test_missing_batch_is_refused(plate, image_sets, batches, tmp_path):
    with pytest.raises(UserError, match="Image set 5 is in none of the folders"):
        merge(image_sets, batches[:1], tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_folder_without_log_is_refused(plate, image_sets, batches, tmp_path):
    (batches[0] / LOG).unlink()
    with pytest.raises(UserError, match="1-4 is not the folder of a batch: name it by its first"):
        merge(image_sets, batches, tmp_path / "merged")


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
    """Where ExportToSpreadsheet combines objects it names them in a line above the features."""
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
