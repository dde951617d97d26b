"""The audit of plates: the core, and the files of the command."""

import csv
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from plate_audit import Recipe, check, simulate

from focusqual.commandline.commands import main
from focusqual.report.audit import audit
from focusqual.report.findings import sentences
from focusqual.report.surface import Response

TILTED = Recipe(wells=96, sites=2, tilt=40, offset=5, failures=6)


def run(table, output, *arguments, exit_code=0):
    result = CliRunner().invoke(
        main, ["audit", str(table), "--output", str(output), *arguments], catch_exceptions=False
    )
    assert result.exit_code == exit_code, result.output
    return result.output


def write(path, images):
    """Write what 'focusqual predict' knows of simulated images."""
    hours = pd.to_timedelta(images["time (hours)"], unit="h")
    images = images.assign(time=(pd.Timestamp("2026-01-01") + hours).map(pd.Timestamp.isoformat))
    known = ["image", "score", "expected_level", "certainty", "expected_defocus_um", "time"]
    images.reindex(columns=known).dropna(axis=1, how="all").to_csv(path, index=False)


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(wells=24, sites=9, tilt=30, bow=15, offset=-4, failures=12, response="soft"),
        Recipe(wells=96, offset=8, failures=12, response="hard", levels_only=True),
        Recipe(wells=96, sites=4, bow=-20, offset=4, failures=12),
        Recipe(wells=96, sites=2, drift=8, offset=6, failures=6, response="hard"),
        Recipe(wells=384, tilt=60, offset=20, failures=12),
        Recipe(wells=384, tilt=40, half="random", failures=6),
        Recipe(wells=1536, tilt=25, offset=-8, failures=12, response="soft"),
        Recipe(wells=96, column=True, tilt=30),
    ],
    ids=str,
)
def test_surface_and_failures_are_found(recipe):
    found = check(recipe, seed=50)
    assert found["parameters"] == found["right"] > 0
    assert found["named"] >= 0.9 * found["failing"]
    assert found["accused"] <= 0.005 * found["good"] + 1


@pytest.mark.parametrize("wells, sites", [(6, 9), (24, 4), (96, 1), (384, 1)])
@pytest.mark.parametrize("response", ["network", "hard", "soft"])
def test_plates_without_a_pattern_have_no_findings(wells, sites, response):
    recipe = Recipe(wells=wells, sites=sites, response=response)
    assert check(recipe, seed=wells)["found_nothing"]


def test_failures_alone_are_no_surface():
    for recipe in (Recipe(wells=96, failures=12), Recipe(wells=96, column=True)):
        found = check(recipe, seed=3)
        assert found["named"] == found["failing"] > 0
        assert found["parameters"] == found["accused"] == 0


def test_stage_positions_give_the_same_surface():
    images, truth = simulate(TILTED, 1)
    place = 9000.0 * images[["col", "row"]].to_numpy() - 40_000
    places = {
        "of the plate": place + images[["site"]].to_numpy() * 500,
        "in each well": np.column_stack([images["site"] * 500, -images["site"] * 500]),
    }
    for where in places.values():
        staged = images.assign(stage_x_um=where[:, 0], stage_y_um=where[:, 1])
        _, (found,) = audit(staged)
        assert found.values["tilt"].value == pytest.approx(truth["tilt"], rel=0.1)
    _, (found,) = audit(staged.assign(well="", stage_x_um=place[:, 0], stage_y_um=place[:, 1]))
    assert found.values["tilt"].value == pytest.approx(truth["tilt"], rel=0.1)
    assert found.ends[0].startswith("x ")


@pytest.mark.parametrize("offset", [7, -7])
def test_stage_z_shows_the_sign(offset):
    rng = np.random.default_rng(0)
    images, _ = simulate(Recipe(wells=96, offset=offset), 1)
    jitter = rng.normal(0, 1, len(images))
    images["expected_level"] += np.sign(offset) * jitter / 2
    images["expected_defocus_um"] = 2 * images["expected_level"]
    unit, (found,) = audit(images.assign(stage_z_um=500 + jitter))
    assert found.values["offset"].value == pytest.approx(offset, abs=1)
    images["site_name"] = ""
    (sentence,) = sentences(found, unit, images)
    assert ("the stage is too high" if offset > 0 else "the stage is too low") in sentence
    _, (found,) = audit(images.assign(stage_z_um=500 + rng.permutation(jitter)))
    assert not found.signed


def test_gradient_of_the_response():
    response, step = Response(0.4, 1.3), 1e-6
    defocus = np.array([-12.0, -3.1, -0.2, 0.1, 0.7, 1.4, 2.2, 6.0, 11.0])
    numeric = np.stack(
        [
            response.levels(defocus + step) - response.levels(defocus - step),
            Response(0.4 + step, 1.3).levels(defocus) - Response(0.4 - step, 1.3).levels(defocus),
            Response(0.4, 1.3 + step).levels(defocus) - Response(0.4, 1.3 - step).levels(defocus),
        ],
        axis=-1,
    ) / (2 * step)
    np.testing.assert_allclose(response.gradient(defocus), numeric, atol=1e-5)


def test_files_and_sentences(tmp_path):
    images, truth = simulate(TILTED, 1)
    images.loc[0, ["score", "expected_level", "expected_defocus_um", "certainty"]] = np.nan
    write(tmp_path / "focus.csv", images)
    for _ in range(2):
        said = run(tmp_path / "focus.csv", tmp_path / "out dir")
    report = json.loads((tmp_path / "out dir" / "audit.json").read_text())
    assert report["unit"] == "um"
    (plate,) = report["plates"].values()
    assert list(plate) == ["findings", "offset", "tilt", "bow", "drift", "failures", "images"]
    assert plate["images"] == len(images)
    assert plate["tilt"]["low"] < plate["tilt"]["value"] < plate["tilt"]["high"]
    assert plate["tilt"]["value"] == pytest.approx(truth["tilt"], rel=0.1)
    assert plate["bow"] is None
    assert all(sentence in said for sentence in plate["findings"])
    tilt, offset, failures = plate["findings"]
    assert tilt.startswith("The plate is tilted by ")
    assert "the sign is unknown. Level the stage insert" in tilt
    assert "Move the autofocus offset by about" in offset
    table = pd.read_csv(tmp_path / "out dir" / "audit.csv", keep_default_na=False)
    assert list(table) == ["plate", "well", "site", "image", "defocus", "residual", "verdict"]
    assert table["image"].tolist() == images["image"].tolist()
    named = table["verdict"] == "failure"
    assert named.sum() == plate["failures"]
    assert f"failed at {named.sum()} single sites" in failures
    assert table["verdict"][0] == "not measured"
    assert (table["verdict"] == "blank").sum() == (images["verdict"] == "blank").sum()
    assert {"in focus", "surface"} < set(table["verdict"])
    with open(tmp_path / "out dir" / "image_again.csv") as file:
        again = list(csv.DictReader(file))
    assert [row["Image_FileName_Image"] for row in again] == table["image"][named].tolist()
    assert {"Metadata_Well", "Metadata_Site"} < set(again[0])


def test_plates_and_channels_are_told_apart(tmp_path):
    tables = []
    for plate, recipe in (("P 1", TILTED), ("Ü2", Recipe(wells=96, column=True))):
        images, _ = simulate(recipe, 2)
        write(tmp_path / "one.csv", images)
        one = pd.read_csv(tmp_path / "one.csv").assign(plate=plate)
        tables += [one.assign(channel="DAPI"), one.assign(channel="GFP")]
    pd.concat(tables).to_csv(tmp_path / "focus.csv", index=False)
    said = run(tmp_path / "focus.csv", tmp_path / "out")
    plates = json.loads((tmp_path / "out" / "audit.json").read_text())["plates"]
    assert list(plates) == ["P 1 DAPI", "P 1 GFP", "Ü2 DAPI", "Ü2 GFP"]
    assert plates["P 1 GFP"]["tilt"]
    assert not plates["Ü2 GFP"]["tilt"]
    assert "All of column 12 failed" in said


def test_images_of_cellprofiler_are_read(tmp_path):
    images, truth = simulate(TILTED, 1)
    names = {
        "image": "FileName_DNA",
        "score": "ImageFocus_Score_DNA",
        "expected_level": "ImageFocus_ExpectedLevel_DNA",
        "certainty": "ImageFocus_Certainty_DNA",
        "expected_defocus_um": "ImageFocus_ExpectedDefocus_DNA",
    }
    table = images[list(names)].rename(columns=names).assign(PathName_DNA="/data/plate 1")
    table.to_csv(tmp_path / "Image.csv", index=False)
    run(tmp_path / "Image.csv", tmp_path / "out", "--image", "DNA")
    report = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert report["unit"] == "um"
    assert report["plates"][""]["tilt"]["value"] == pytest.approx(truth["tilt"], rel=0.1)
    heading = (tmp_path / "out" / "image_again.csv").read_text().splitlines()[0]
    assert heading.startswith("Image_FileName_DNA,Image_PathName_DNA,")


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"image": "x.tif"}, "No image has a position: give wells, such as A01, as Metadata_Well"),
        ({"certainty": 0.01}, "The plate has no image that is measured and not blank."),
        ({"well": "B03"}, "The plate has images of one well only"),
        (
            {"image": "x.tif", "plate": list("PPQQ") * 6, "stage_x_um": [1, 1, 2, 2] * 6},
            "Plate P has images at one position only",
        ),
        (
            {"expected_defocus_um": -5},
            "values of expected_defocus_um that are not above 0",
        ),
        ({"expected_level": None}, "has no column expected_level"),
    ],
)
def test_bad_input_gets_one_sentence(tmp_path, change, sentence):
    images, _ = simulate(Recipe(wells=24), 0)
    table = images[["image", "score", "expected_level", "certainty"]].assign(**change)
    if "image" in change:
        table["image"] = [f"x{number}.tif" for number in range(len(table))]
    table.dropna(axis=1).to_csv(tmp_path / "focus.csv", index=False)
    said = run(tmp_path / "focus.csv", tmp_path / "out", exit_code=2)
    assert sentence in said.replace("\n", " ")
    assert not (tmp_path / "out").exists()


def test_sharp_levels_of_zero_are_no_pattern(tmp_path):
    images, _ = simulate(Recipe(wells=24), 0)
    images[["score", "expected_level", "expected_defocus_um"]] = 0.0
    write(tmp_path / "focus.csv", images)
    assert "No pattern" in run(tmp_path / "focus.csv", tmp_path / "out")


@pytest.mark.parametrize(
    "name, more", [("findings", ["matplotlib", "PIL"]), ("page", ["imagecodecs", "vl_convert"])]
)
def test_the_core_needs_numpy_and_scipy_only(name, more):
    blocked = ["pandas", "altair", "click", "tensorflow", *more]
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({blocked})); import focusqual.report.{name}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
