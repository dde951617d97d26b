import csv

import numpy as np
import pandas as pd
import pytest
import tifffile
from click.testing import CliRunner
from support import FOCUS_MODELS, needs_training

from focusqual.commandline.commands import main
from focusqual.inference.measurement import PROBABILITIES
from focusqual.inference.network import FOCUS_PATCH_1
from focusqual.simulation import scenes
from micrograph_networks.images.image_files import read_image, write_tiff
from micrograph_networks.models.weights_file import Weights, write_weights


@pytest.fixture
def images(tmp_path):
    """Three scenes with wells in their names, in a folder of their own."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number, name in enumerate(("p_A01_s1", "p_B12_s1", "p_H07_s1")):
        scene = scenes.nuclei(np.random.default_rng(number), 200, 1.0)
        write_tiff(folder / f"{name}.tif", (1000 * scene).astype(np.uint16))
    return sorted(folder.iterdir())


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_predict_writes_exactly_its_tables_and_pictures(images, tmp_path):
    output = tmp_path / "out"
    result = run("predict", *images, "--output", output)
    assert result.exit_code == 0, result.output
    expected = {"focus.csv", "patches.csv", *(f"{path.stem}_focus.png" for path in images)}
    assert {path.name for path in output.iterdir()} == expected
    with open(output / "focus.csv", newline="") as file:
        assert ",".join(next(csv.reader(file))) == (
            "image,score,expected_level,certainty,certainty_mean,certainty_max,certainty_weighted,"
            "patches,in_focus,out_of_focus,uncertain,p0,p1,p2,p3,p4,p5,p6,p7,p8,p9,p10,"
            "expected_defocus_um,model,engine,folder"
        )
    with open(output / "patches.csv", newline="") as file:
        assert ",".join(next(csv.reader(file))) == (
            "image,row,col,y,x,height,width,level,expected_level,certainty,"
            "p0,p1,p2,p3,p4,p5,p6,p7,p8,p9,p10"
        )
    focus, patches = (pd.read_csv(output / name) for name in ("focus.csv", "patches.csv"))
    assert focus["image"].tolist() == [path.name for path in images]
    assert focus["patches"].tolist() == [9, 9, 9]
    assert set(focus["model"]) == {FOCUS_MODELS[-1].name}
    assert len(patches) == 27
    for table in (focus, patches):
        np.testing.assert_allclose(table[list(PROBABILITIES)].sum(axis=1), 1, atol=1e-4)
    assert read_image(output / f"{images[0].stem}_focus.png").shape == (200, 200, 3)


def test_predict_writes_the_same_as_parquet(images, tmp_path):
    pytest.importorskip("pyarrow")
    for suffix in ("csv", "parquet"):
        run("predict", *images, "--output", tmp_path / suffix, "--format", suffix)
    for name in ("focus", "patches"):
        written = pd.read_csv(tmp_path / "csv" / f"{name}.csv")
        found = pd.read_parquet(tmp_path / "parquet" / f"{name}.parquet")
        pd.testing.assert_frame_equal(found, written, check_dtype=False)
    assert not list((tmp_path / "parquet").glob("*.csv"))
    result = run("summarize", tmp_path / "parquet" / "focus.parquet", "--output", tmp_path / "page")
    assert "excluded_wells.csv (0 wells)" in result.output


def test_predict_goes_on_after_a_bad_image_and_says_so(images, tmp_path):
    images[1].write_bytes(images[1].read_bytes()[:500])
    result = run("predict", *images, "--output", tmp_path / "out")
    assert result.exit_code == 1
    assert "p_B12_s1.tif cannot be read as an image" in result.output
    assert "Measured 2 of 3 images" in result.output
    assert len(pd.read_csv(tmp_path / "out" / "focus.csv")) == 2


def test_predict_says_what_was_done_with_color(tmp_path, rng):
    write_tiff(tmp_path / "rgb.tif", rng.integers(0, 255, (90, 90, 3), dtype=np.uint8))
    result = run("predict", tmp_path / "rgb.tif", "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "1 of them in color, as their luma" in result.output


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["--weights", "none.h5"], "none.h5 does not exist"),
        (["--stride", "85"], "85 is not in the range 1<=x<=84"),
        (["--scale", "0"], "0.0 is not in the range"),
    ],
)
def test_wrong_options_stop_before_anything_is_written(images, tmp_path, arguments, sentence):
    result = run("predict", *images, "--output", tmp_path / "out", *arguments)
    assert result.exit_code == 2
    assert sentence in result.output
    assert not list(tmp_path.glob("out/*"))


def test_images_of_one_name_are_refused(images, tmp_path):
    result = run("predict", images[0], images[0], "--output", tmp_path / "out")
    assert result.exit_code == 2
    assert "would write the same files" in result.output


@pytest.fixture
def stack(tmp_path, images):
    """The three scenes as the planes of one file."""
    path = tmp_path / "stack.tif"
    planes = np.stack([read_image(image) for image in images])
    tifffile.imwrite(path, planes, photometric="minisblack", metadata={"axes": "ZYX"})
    return path


def test_planes_of_a_stack_are_measured_as_images(images, stack, tmp_path):
    output = tmp_path / "out"
    result = run("predict", *images, stack, "--output", output)
    assert result.exit_code == 0, result.output
    assert "Measured 6 of 6 images" in result.output
    assert {f"stack_z{z}_focus.png" for z in range(3)} < {path.name for path in output.iterdir()}
    rows = pd.read_csv(output / "focus.csv", index_col="image", dtype=str, keep_default_na=False)
    assert rows.columns[-3:].tolist() == ["file", "z", "frame"]
    assert rows[["file", "z", "frame"]].to_numpy().tolist() == (
        [["", "", ""]] * 3 + [["stack.tif", str(z), str(z)] for z in range(3)]
    )
    measured = rows.drop(columns=["folder", "file", "z", "frame"])
    for z, path in enumerate(images):
        assert measured.loc[f"stack_z{z}"].equals(measured.loc[path.name])


def test_planes_of_a_stack_are_degraded_and_validated(images, stack, tmp_path):
    result = run("degrade", stack, "--output", tmp_path / "out", "--level", 0)
    assert result.exit_code == 0, result.output
    for z, path in enumerate(images):
        degraded = read_image(tmp_path / "out" / f"stack_z{z}_level0.tif")
        np.testing.assert_array_equal(degraded, read_image(path))
    black = np.stack([np.zeros((90, 90)), np.eye(90), np.eye(90)]).astype(np.uint8)
    tifffile.imwrite(tmp_path / "black.tif", black, photometric="minisblack")
    result = run("validate", stack, tmp_path / "black.tif")
    assert result.exit_code == 1
    assert "black.tif (page0): every pixel is 0" in result.output
    assert "3 of 6 images are in order" in result.output


def test_degrade_writes_a_file_a_level(images, tmp_path):
    result = run("degrade", *images[:2], "--output", tmp_path / "out", "--level", 0, "--level", 2.5)
    assert result.exit_code == 0, result.output
    names = {f"{p.stem}_level{level}.tif" for p in images[:2] for level in ("0", "2.5")}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    sharp = read_image(tmp_path / "out" / "p_A01_s1_level0.tif")
    np.testing.assert_array_equal(sharp, read_image(images[0]))
    assert read_image(tmp_path / "out" / "p_A01_s1_level2.5.tif").std() < 0.95 * sharp.std()


def test_summarize_draws_a_histogram_and_a_plate(images, tmp_path):
    run("predict", *images, "--output", tmp_path / "out")
    run("summarize", tmp_path / "out" / "focus.csv", "--output", tmp_path / "plots")
    for name in ("scores.png", "plate.png"):
        assert read_image(tmp_path / "plots" / name).std() > 10


def test_summarize_needs_a_focus_table(tmp_path):
    assert "does not exist" in run("summarize", tmp_path / "a.csv", "--output", tmp_path).output
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    result = run("summarize", tmp_path / "a.csv", "--output", tmp_path)
    assert result.exit_code == 2
    assert "has no column image" in result.output


def test_validate_names_every_fault(images, tmp_path):
    write_tiff(tmp_path / "black.tif", np.zeros((90, 90), np.uint8))
    write_tiff(tmp_path / "small.tif", np.arange(100, dtype=np.uint8).reshape(10, 10))
    write_tiff(tmp_path / "nan.tif", np.where(np.eye(90), np.nan, 1).astype(np.float32))
    faulty = [tmp_path / name for name in ("black.tif", "small.tif", "nan.tif", "none.tif")]
    result = run("validate", *images, *faulty)
    assert result.exit_code == 1
    for sentence in (
        "every pixel is 0",
        "10x10 pixels are less than a patch of 84x84",
        "1.1% of the pixels are NaN or infinite",
        "none.tif does not exist",
        "3 of 7 images are in order",
    ):
        assert sentence in result.output
    assert run("validate", *images).exit_code == 0


@needs_training
def test_train_and_evaluate_work_together(tmp_path):
    folder, output = tmp_path / "images", tmp_path / "run"
    folder.mkdir()
    for seed in range(12):
        scene = scenes.nuclei(np.random.default_rng(seed), 180, 1.0)
        write_tiff(folder / f"{seed}.tif", (1000 * scene).astype(np.uint16))
    result = run("train", folder, "--output", output, "--epochs", 1, "--steps", 1, "--workers", 1)
    assert result.exit_code == 0, result.output
    written = {path.name for path in output.iterdir()}
    assert written == {
        *("checkpoint_0001.keras", "focus.h5", "recipe.json", "split.csv"),
        *("training.csv", "training.png"),
    }
    # Another seed would make a training image one of validation.
    before = (output / "split.csv").read_bytes()
    result = run("train", folder, "--output", output, "--epochs", 1, "--steps", 1, "--seed", 7)
    assert result.exit_code == 2
    assert "recipe.json is of a run with other seed" in result.output
    (folder / "12.tif").write_bytes((folder / "3.tif").read_bytes())
    result = run("train", folder, "--output", output, "--epochs", 1, "--steps", 1)
    assert result.exit_code == 2
    assert "split.csv is of a run on other images" in result.output
    assert (output / "split.csv").read_bytes() == before
    (folder / "12.tif").unlink()
    scores = tmp_path / "scores"
    result = run(
        *("evaluate", folder, "--output", scores),
        *("--split", output / "split.csv", "--weights", output / "focus.h5"),
    )
    assert result.exit_code == 0, result.output
    accuracy = pd.read_csv(scores / "evaluation.csv", index_col="figure")["value"]
    assert accuracy["images"] == 11
    assert {path.name for path in scores.glob("*.png")} == {
        *("confusion_images.png", "confusion_patches.png", "reliability.png")
    }


def test_help_has_an_example_for_every_command():
    for name in main.commands:
        result = run(name, "--help")
        assert result.exit_code == 0
        assert f"focusqual {name}" in result.output.split("Examples:")[1]


def test_a_damaged_weights_file_is_named(images, tmp_path):
    path = tmp_path / "w.h5"
    path.write_bytes(FOCUS_MODELS[-1].path.read_bytes()[:5000])
    result = run("predict", images[0], "--output", tmp_path / "out", "--weights", path)
    assert result.exit_code == 2
    assert "w.h5 is not a weights file" in result.output


def test_training_refuses_wrong_initial_weights_before_it_starts(tmp_path):
    layers = {"conv1": {"kernel": np.zeros((3, 3, 4, 24)), "bias": np.zeros(24)}}
    write_weights(tmp_path / "w.h5", Weights(FOCUS_PATCH_1.architecture, layers, {}))
    result = run("train", tmp_path, "--output", tmp_path / "run", "--initial", tmp_path / "w.h5")
    assert result.exit_code == 2
    assert "w.h5: It lacks layers of focus-patch-1" in result.output
    assert not (tmp_path / "run").exists()
