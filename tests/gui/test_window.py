"""Test what users see of both modules in CellProfiler's window."""

import csv

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

pytestmark = pytest.mark.window
CELLS, SPIROCHAETES = (255, 89, 26), (26, 217, 255)
"""Colors of the outlines."""


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def drawn_in(picture, color):
    """Return where a picture has about a color."""
    return np.abs(picture - color).max(axis=-1) < 40


@pytest.mark.parametrize("name", ["darkfield", "darkfield_all", "darkfield_large"])
def test_outlines_are_seen_at_every_size(driven, name):
    folder, seen = driven("darkfield")
    picture = pixels(folder / f"{name}.png")
    cells, spirochaetes = (drawn_in(picture, color) for color in (CELLS, SPIROCHAETES))
    # The lines are wider than a pixel: erosion leaves some of them.
    assert ndimage.binary_erosion(cells, np.ones((2, 2))).sum() > 20
    assert cells.sum() > 500
    assert spirochaetes.sum() > 100


def test_darkfield_figure_has_titles_and_a_table_that_fits(driven):
    _, seen = driven("darkfield")
    found = seen["darkfield"]
    assert found["titles"] == ["Image", "BloodCells and Spirochaetes", "Probabilities"]
    grid = found["grid"]
    assert grid["visible"]
    assert grid["columns"] == ["", "BloodCells", "Spirochaetes"]
    assert [row[0] for row in grid["rows"]] == ["Objects", "Area", "Median size", "Probability"]
    assert int(grid["rows"][0][1]) > 10
    assert float(grid["rows"][1][2].rstrip(" %")) > 0


@pytest.mark.parametrize(
    ("name", "images"), [("focus", ["Image"]), ("focus_three", ["Image", "Blurred", "Blurrier"])]
)
def test_focus_figure_shows_every_image_and_a_table_that_fits(driven, name, images):
    folder, seen = driven("focus")
    found = seen[name]
    assert found["titles"] == [*images, *["Whole image"] * len(images)]
    assert found["grid"]["visible"]
    assert [row[0] for row in found["grid"]["rows"]] == images
    scores = [int(row[1]) for row in found["grid"]["rows"]]
    assert scores[0] <= 1
    assert scores == sorted(scores)
    assert scores[-1] > 2 or len(scores) == 1


def test_status_bar_says_level_and_certainty(driven):
    _, seen = driven("focus")
    x, y, level, certainty = seen["status_bar"]
    assert (x, y) == ("X: 500", "Y: 400")
    assert 0 <= int(level.replace("Level: ", "")) <= 10
    assert 0 <= float(certainty.replace("Certainty: ", "")) <= 1


def test_what_slows_down_is_warned_of(driven):
    assert "the patch objects overlap" in driven("focus")[1]["stride"]
    assert "times as wide and high" in driven("darkfield")[1]["diameter"]


@pytest.mark.parametrize("name", ["MeasureImageFocusQuality", "SegmentDarkfieldCells"])
def test_mistakes_are_seen_before_the_run_and_in_it(driven, name):
    _, seen = driven("mistakes")
    found = seen[name]
    assert found["right"] is None
    assert found["engine"].startswith("TensorFlow is not installed")
    assert found["absent"].endswith("absent.h5 does not exist")
    assert "broken.h5 is not a weights file" in found["broken"]
    engine, weights = (box for box in seen["boxes"] if f"Error while processing {name}" in box)
    assert "TensorFlow is not installed in this Python" in engine
    assert "broken.h5 is not a weights file" in weights


@pytest.mark.parametrize("scenario", ["focus", "darkfield", "analysis"])
def test_a_project_is_saved_and_opened_again(driven, scenario):
    _, seen = driven(scenario)
    assert seen["reopened_alike"]
    assert seen["boxes"] == [] or scenario == "analysis"


def test_analysis_is_stopped_and_started_again(driven):
    folder, seen = driven("analysis")
    assert 0 < seen["stopped_after"] < 12
    # The example pipelines open no window for every image.
    assert seen["figures"] == []
    (table,) = folder.rglob("FocusQC_Image.csv")
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    assert len({row["ImageFocus_ExpectedLevel_Image"] for row in rows}) == 1


def test_example_pipeline_opens_no_window_for_every_image(driven):
    assert driven("darkfield")[1]["eyes"] == []
