"""Tolerance of an assay: the comparison of levels, and the processes that measure them."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from support import assert_replaces_only_own_files

from focusqual.commandline.commands import main
from focusqual.evaluation import pipeline_jobs, tolerance
from focusqual.evaluation.pipeline_jobs import Assay, measure_levels
from focusqual.simulation.defocus import point_spread_function
from micrograph_networks.errors import UserError
from micrograph_networks.images.image_files import read_image, write_tiff

ROOT = Path(__file__).resolve().parents[3]
STAND_IN = """
import json, pathlib, sys
job = json.loads(pathlib.Path(sys.argv[1]).read_text())
runs = pathlib.Path(job["pipeline"]).parent / "runs"
blur = len(job["kernel"] or ())
with runs.open("a") as file:
    file.write(f"{blur}\\n")
print("Image set 1 of 3", flush=True)
if blur and (runs.parent / "crash").exists():
    raise SystemExit("out of memory")
if (runs.parent / "refuse").exists():
    answer = {"error": "The pipeline measures nothing."}
else:
    sizes = {"AreaShape_Area": [[10, 100 + blur, 100, 25]] * 3}
    answer = {"measurements": {"Image": {"Count_Nuclei": [[1, 10, 10, 0]] * 3}, "Nuclei": sizes}}
pathlib.Path(sys.argv[2]).write_text(json.dumps(answer))
"""
"""Stands for CellProfiler: the area grows by the width of the kernel, and each run is counted."""


def statistics(*images):
    """Return the statistics of the objects' values in images."""
    return [[len(one), np.median(one), np.mean(one), np.var(one)] if one else [0] + [np.nan] * 3
            for one in images]  # fmt: skip


def measured(counts, sizes):
    nuclei = {"AreaShape_Area": statistics(*sizes), "Texture_Mean": statistics([1], [1], [1])}
    return {"Image": {"Count_Nuclei": statistics(*([n] for n in counts))}, "Nuclei": nuclei}


def test_counts_and_areas_are_compared_with_level_0():
    sizes = [[90, 110, 100], [80, 120], [100]]
    deviation = np.std(np.concatenate(sizes))
    table = tolerance.compare_levels(
        {
            0: measured([3, 2, 1], sizes),
            1: measured([3, 2, 1], [[size + 0.3 * deviation for size in one] for one in sizes]),
            2: measured(
                [2, 1, 2], [[size - deviation for size in one] for one in sizes[:2]] + [[]]
            ),
        }
    ).set_index("feature")
    count, area, texture = (
        table.loc[name] for name in ("Count_Nuclei", "AreaShape_Area", "Texture_Mean")
    )
    assert count[["level_1", "level_2"]].tolist() == [0, pytest.approx(-100 / 6)]
    assert area[["level_1", "level_2"]].tolist() == pytest.approx([0.3, -1])
    assert area[["beyond_0.2", "beyond_0.5"]].tolist() == [1, 2]
    assert count["beyond_5_percent"] == 2
    assert np.isnan(count["beyond_0.2"])
    assert np.isnan(area["beyond_5_percent"])
    # What does not vary has no standard deviation.
    assert texture[["level_1", "level_2", "beyond_0.2"]].isna().all()
    # At a level without objects, an area is lost.
    lost = {2: measured([0, 0, 0], [[], [], []]), 1: measured([3, 2, 1], sizes)}
    table = tolerance.compare_levels({0: measured([3, 2, 1], sizes), 1: lost[1], 2: lost[2]})
    table = table.set_index("feature")
    assert table.loc["AreaShape_Area", "beyond_0.5"] == 2
    assert table["category"].tolist() == ["counts", "size and shape", "texture"]


def rows(*features, levels=3):
    table = pd.DataFrame(features, columns=["feature", "object", "category", *tolerance.BEYOND])
    for level in range(1, levels + 1):
        table[f"level_{level}"] = np.where(table["beyond_0.2"] <= level, 1.0, 0.1)
    return table


NO = np.nan
COUNT = ("Count_Nuclei", "Image", "counts", NO, NO)
AREA = ("AreaShape_Area", "Nuclei", "size and shape")


@pytest.mark.parametrize(
    "table, sentence",
    [
        (
            rows((*COUNT, 3), (*AREA, 2, NO, NO), ("AreaShape_Area", "Cells", "", 3, NO, NO)),
            "Counts tolerate level 2, area of Nuclei level 1: exclude images above level 1.",
        ),
        (
            rows((*COUNT, 1), ("Count_Cells", "Image", "counts", NO, NO, 3), (*AREA, NO, NO, NO)),
            "Counts tolerate level 0, area of Nuclei level 3: exclude images above level 0.",
        ),
        (
            rows((*AREA, NO, NO, NO)),
            "Area of Nuclei tolerates level 3: exclude images above level 3.",
        ),
        (
            rows(("Texture_X", "Image", "texture", 3, NO, NO)),
            "Texture tolerates level 2: exclude images above level 2.",
        ),
        (
            rows(("X", "Image", "other", 3, NO, NO)),
            "The pipeline measures no counts, areas or other features of a known category.",
        ),
    ],
)
def test_the_sentence_agrees_with_the_table(table, sentence):
    assert tolerance.summary(table)["sentence"] == sentence


def test_images_without_objects_are_refused():
    with pytest.raises(UserError, match="finds no objects in the images as they are"):
        tolerance.compare_levels({0: measured([0, 0, 0], [[], [], []])})


@pytest.fixture
def assay(tmp_path, monkeypatch):
    """An assay that a stand-in for CellProfiler measures."""
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(pipeline_jobs, "PROGRAM", "stand_in")
    (tmp_path / "assay.cppipe").write_text("pipeline")
    images = [tmp_path / "ä 1.tif", tmp_path / "b.tif"]
    for image in images:
        write_tiff(image, np.eye(90, dtype=np.uint8))
    return Assay(tmp_path / "assay.cppipe", images)


def runs(assay):
    return (assay.pipeline.parent / "runs").read_text().split()


def test_an_interrupted_run_continues_and_gives_the_same(assay, tmp_path):
    whole = measure_levels(assay, range(4), tmp_path / "whole", 3)
    assert list(whole) == [0, 1, 2, 3]
    assert len(runs(assay)) == 4
    (tmp_path / "crash").touch()
    with pytest.raises(UserError, match=r"ended without measurements \(out of memory\): see .*log"):
        measure_levels(assay, range(4), tmp_path / "again", 1)
    assert not list((tmp_path / "again").glob("level_1_*"))
    (tmp_path / "crash").unlink()
    before = len(runs(assay))
    assert measure_levels(assay, range(4), tmp_path / "again", 1) == whole
    assert len(runs(assay)) == before + 3  # level 0 was finished
    (damaged,) = (tmp_path / "again").glob("level_0_*.json")
    damaged.write_text("{")
    assert measure_levels(assay, range(4), tmp_path / "again", 1) == whole
    assert len(runs(assay)) == before + 4
    # Another pipeline, image or channel is another job.
    assay.pipeline.write_text("other")
    measure_levels(assay, range(4), tmp_path / "again", 2)
    measure_levels(assay._replace(channel="DNA"), [0], tmp_path / "again", 1)
    assert len(runs(assay)) == before + 9


def run(*arguments, exit_code=0):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == exit_code, result.output
    return result.output


def test_the_command_writes_table_picture_and_sentence(assay, tmp_path):
    output = tmp_path / "out"
    command = ("tolerance", *assay.images, "--pipeline", assay.pipeline, "--workers", 2)
    said = run(*command, "--output", output)
    sentence = "Counts tolerate level 6, area of Nuclei level 0: exclude images above level 0."
    assert sentence in said
    assert json.loads((output / "tolerance.json").read_text()) == {
        "sentence": sentence,
        "tolerated": {"counts": 6, "area of Nuclei": 0},
        "categories": {"size and shape": 0},
    }
    table = pd.read_csv(output / "tolerance.csv", index_col="feature")
    assert table.loc["AreaShape_Area", "level_1"] == pytest.approx(
        len(point_spread_function(2.0)) / 5
    )
    assert read_image(output / "tolerance.png").std() > 10
    assert_replaces_only_own_files(run_without_levels, tmp_path / "others", *command)


def run_without_levels(*arguments, exit_code=0):
    """Run a command, and remove the measurements, which have no fixed names."""
    said = run(*arguments, exit_code=exit_code)
    output = Path(str(arguments[-1]))
    shutil.rmtree(output / "levels", ignore_errors=True)
    (output / ".lock").unlink(missing_ok=True)
    return said


def test_wrong_input_is_named(assay, tmp_path, monkeypatch):
    command = ("tolerance", "--output", tmp_path / "out", "--workers", 1, "--pipeline")
    said = run(*command, tmp_path / "none.cppipe", *assay.images, exit_code=2)
    assert "none.cppipe cannot be read (No such file or directory): check the path" in said
    (tmp_path / "refuse").touch()
    said = run(*command, assay.pipeline, *assay.images, exit_code=2)
    assert "The pipeline measures nothing. The log of CellProfiler is" in said
    assert {path.name for path in (tmp_path / "out").iterdir()} == {".lock", "levels"}
    monkeypatch.setattr(pipeline_jobs, "PROGRAM", "none")
    said = run(*command, assay.pipeline, *assay.images, exit_code=2)
    assert "No module named none): see" in " ".join(said.split())
    (tmp_path / "none.py").write_text("import cellprofiler_core")
    (tmp_path / "cellprofiler_core.py").write_text("raise ModuleNotFoundError(__name__)")
    monkeypatch.setattr(pipeline_jobs, "NOT_INSTALLED", "ModuleNotFoundError: cellprofiler_core")
    said = run(*command, assay.pipeline, *assay.images, exit_code=2)
    assert f"CellProfiler is not installed in {sys.executable}" in said.replace("\n", "")
