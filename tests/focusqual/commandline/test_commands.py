import csv

import click
import numpy as np
import pandas as pd
import pytest
import tifffile
from click.testing import CliRunner
from support import FOCUS_MODELS, assert_replaces_only_own_files, needs_training

from focusqual.commandline.commands import main
from focusqual.inference.measurement import PROBABILITIES
from focusqual.simulation import scenes
from micrograph_networks.images.image_files import read_image, write_png, write_tiff


def write_scenes(folder, names, side=200):
    folder.mkdir(parents=True)
    for seed, name in enumerate(names):
        scene = scenes.nuclei(np.random.default_rng(seed), side, 1.0)
        write_tiff(folder / f"{name}.tif", (1000 * scene).astype(np.uint16))
    return sorted(folder.iterdir())


@pytest.fixture
def images(tmp_path):
    """Three scenes with wells in their names."""
    return write_scenes(tmp_path / "images", ("p_A01_s1", "p_B12_s1", "p_H07_s1"))


@pytest.fixture
def stack(tmp_path, images):
    """The three scenes as the planes of one file."""
    path = tmp_path / "stack.tif"
    planes = np.stack([read_image(image) for image in images])
    tifffile.imwrite(path, planes, photometric="minisblack", metadata={"axes": "ZYX"})
    return path


def run(*arguments, exit_code=0):
    """What a command prints."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == exit_code, result.output
    return result.output


def names_in(folder):
    return {path.name for path in folder.iterdir()}


def test_predict_writes_exactly_its_tables_and_pictures(images, tmp_path):
    output = tmp_path / "out"
    run("predict", *images, "--output", output)
    pictures = {f"{path.stem}_focus.png" for path in images}
    assert names_in(output) == {"focus.csv", "patches.csv", *pictures}
    with open(output / "focus.csv", newline="") as file:
        assert ",".join(next(csv.reader(file))) == (
            "image,score,expected_level,certainty,certainty_mean,certainty_max,"
            "certainty_weighted_mean,patches,fraction_in_focus,fraction_out_of_focus,"
            "fraction_uncertain,p0,p1,p2,p3,p4,p5,p6,p7,p8,p9,p10,model,engine,folder"
        )
    with open(output / "patches.csv", newline="") as file:
        assert ",".join(next(csv.reader(file))) == (
            "image,row,col,top_px,left_px,height_px,width_px,level,expected_level,certainty,"
            "p0,p1,p2,p3,p4,p5,p6,p7,p8,p9,p10,folder"
        )
    focus, patches = (pd.read_csv(output / name) for name in ("focus.csv", "patches.csv"))
    assert focus["image"].tolist() == [path.name for path in images]
    assert focus["patches"].tolist() == [9, 9, 9]
    assert set(focus["model"]) == {FOCUS_MODELS[-1].name}
    assert len(patches) == 27
    for table in (focus, patches):
        np.testing.assert_allclose(table[list(PROBABILITIES)].sum(axis=1), 1, atol=1e-4)
    assert read_image(output / f"{images[0].stem}_focus.png").shape == (200, 200, 3)


def test_predict_and_summarize_know_parquet(images, tmp_path):
    pytest.importorskip("pyarrow")
    for suffix in ("csv", "parquet"):
        run("predict", *images, "--output", tmp_path / suffix, "--format", suffix)
    for name in ("focus", "patches"):
        written = pd.read_csv(tmp_path / "csv" / f"{name}.csv")
        found = pd.read_parquet(tmp_path / "parquet" / f"{name}.parquet")
        pd.testing.assert_frame_equal(found, written, check_dtype=False)
    assert not list((tmp_path / "parquet").glob("*.csv"))
    table, page = tmp_path / "parquet" / "focus.parquet", tmp_path / "page"
    assert "excluded_wells.csv (0 wells)" in run("summarize", table, "--output", page)
    for name in ("scores.png", "plate.png"):
        assert read_image(page / name).std() > 10


@pytest.mark.parametrize(
    ("command", "done"), [(["predict"], "Measured"), (["degrade", "--level", 1], "Degraded")]
)
def test_commands_continue_after_a_bad_image(images, tmp_path, command, done):
    images[1].write_bytes(images[1].read_bytes()[:500])
    given = (*command, "--output", tmp_path / "out")
    output = run(*given, *images, exit_code=1)
    assert "p_B12_s1.tif cannot be read as an image" in output
    assert f"{done} 2 of 3 images" in output
    assert not list((tmp_path / "out").glob("p_B12*"))
    output = run(*command, images[1], "--output", tmp_path / "other", exit_code=1)
    assert "Every image failed: nothing was written." in output
    assert not list((tmp_path / "other").iterdir())


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["predict", "images", "--mask", "none"], "none is not a folder of masks"),
        (["summarize", "none.csv"], "none.csv does not exist: check the path"),
        (["summarize", "images"], "images is a folder: give a focus.csv"),
        (["summarize", "none.csv", "--pictures", "no"], "no is not a folder of pictures"),
        (["best-planes", "images", "--pattern", "(?P<a>.)(?P<Plane>.)"], "images is a folder: g"),
        (["evaluate", "images/p_A01_s1.tif"], "p_A01_s1.tif is not a folder: check the path"),
        (["evaluate", "images", "--split", "images"], "images is a folder: give the split.csv"),
        (["evaluate-planes", "none"], "none is not a folder: check the path"),
        (["evaluate-stacks", "images"], "images is a folder: give a CSV with the columns"),
    ],
)
def test_wrong_paths_are_named_before_anything_is_written(
    images, tmp_path, monkeypatch, command, sentence
):
    monkeypatch.chdir(tmp_path)
    assert sentence in run(*command, "--output", "out", exit_code=2)
    assert not (tmp_path / "out").exists()


def test_paths_that_do_not_exist_are_refused(tmp_path):
    for command in (["predict"], ["degrade", "--level", 1], ["validate"]):
        output = () if command == ["validate"] else ("--output", tmp_path / "out")
        said = run(*command, tmp_path / "none.tif", *output, exit_code=2)
        assert "none.tif does not exist: check the path" in said
    assert not (tmp_path / "out").exists()


def test_predict_reports_color_images(tmp_path, rng):
    write_tiff(tmp_path / "rgb.tif", rng.integers(0, 255, (90, 90, 3), dtype=np.uint8))
    output = run("predict", tmp_path / "rgb.tif", "--output", tmp_path / "out")
    assert "1 color image measured as gray" in output


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["--model", "none.h5"], "none.h5 does not exist"),
        (["--model", "damaged.h5"], "damaged.h5 is not a weights file"),
        (["--stride", "85"], "85 is not in the range 1<=x<=84"),
        (["images/p_A01_s1.tif"], "would write the same files"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_written(
    images, tmp_path, monkeypatch, arguments, sentence
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "damaged.h5").write_bytes(FOCUS_MODELS[-1].path.read_bytes()[:5000])
    output = run("predict", *images, "--output", "out", *arguments, exit_code=2)
    assert sentence in output
    assert not list(tmp_path.glob("out/*"))


def test_planes_of_a_stack_are_measured_as_images(images, stack, tmp_path):
    output = tmp_path / "out"
    assert "Measured 6 of 6 images" in run("predict", *images, stack, "--output", output)
    assert {f"stack_z{z}_focus.png" for z in range(3)} < names_in(output)
    rows = pd.read_csv(output / "focus.csv", index_col="image", dtype=str, keep_default_na=False)
    assert rows.columns[-3:].tolist() == ["file", "z", "frame"]
    assert rows[["file", "z", "frame"]].to_numpy().tolist() == (
        [["", "", ""]] * 3 + [["stack.tif", str(z), str(z)] for z in range(3)]
    )
    measured = rows.drop(columns=["folder", "file", "z", "frame"])
    for z, path in enumerate(images):
        assert measured.loc[f"stack_z{z}"].equals(measured.loc[path.name])


def test_degrade_writes_a_file_per_level(images, stack, tmp_path):
    output = tmp_path / "out"
    run("degrade", images[0], stack, "--output", output, "--level", 0, "--level", 2.5)
    stems = [images[0].stem, *(f"stack_z{z}" for z in range(3))]
    levels = ("0", "2.5")
    assert names_in(output) == {f"{stem}_level{level}.tif" for stem in stems for level in levels}
    for z, path in enumerate(images):
        sharp = read_image(output / f"stack_z{z}_level0.tif")
        np.testing.assert_array_equal(sharp, read_image(path))
        assert read_image(output / f"stack_z{z}_level2.5.tif").std() < 0.95 * sharp.std()


def test_validate_names_every_fault(images, stack, tmp_path):
    write_tiff(tmp_path / "small.tif", np.arange(100, dtype=np.uint8).reshape(10, 10))
    write_tiff(tmp_path / "nan.tif", np.where(np.eye(90), np.nan, 1).astype(np.float32))
    black = np.stack([np.zeros((90, 90)), np.eye(90)]).astype(np.uint8)
    tifffile.imwrite(tmp_path / "black.tif", black, photometric="minisblack")
    faulty = [tmp_path / name for name in ("black.tif", "small.tif", "nan.tif", "none.tif")]
    output = run("validate", *images, stack, *faulty, exit_code=1)
    for sentence in (
        "black.tif (page0): every pixel is 0",
        "black.tif (page1): 1.1% of the pixels are saturated",
        "10x10 pixels are smaller than a patch of 84x84 pixels",
        "1.1% of the pixels are NaN or infinite",
        "none.tif does not exist",
        "6 of 11 images have no fault",
    ):
        assert sentence in output
    run("validate", *images)


def test_training_has_as_many_workers_as_the_job_has_cpus(monkeypatch):
    (workers,) = [one for one in main.commands["train"].params if one.name == "workers"]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert workers.get_default(click.Context(main.commands["train"])) == 1


@needs_training
def test_train_and_evaluate_work_together(tmp_path, monkeypatch):
    monkeypatch.setattr("focusqual.training.train.VALIDATION_SPECIMENS", 2)
    folder, output, scores = tmp_path / "images", tmp_path / "run", tmp_path / "scores"
    images = write_scenes(folder, range(12), side=180)
    train = ["train", folder, "--output", output, "--epochs", 1, "--steps", 1, "--workers", 1]
    run(*train)
    assert names_in(output) == {
        *(".lock", "average_0001.npz", "checkpoint_0001.keras", "focus.h5", "recipe.json"),
        *("split.csv", "training.csv", "training.png"),
    }
    refused = run(*train[:2], "--output", tmp_path / "new", "--bank", folder, exit_code=2)
    assert "contains files that are not of a bank" in refused
    assert names_in(tmp_path / "new") == {".lock"}
    # With another seed, training images could become validation images.
    split = (output / "split.csv").read_bytes()
    assert "recipe.json is of a run with other seed" in run(*train, "--seed", 7, exit_code=2)
    copy = folder / "12.tif"
    copy.write_bytes(images[3].read_bytes())
    assert "split.csv is of a run on other images" in run(*train, exit_code=2)
    copy.unlink()
    assert (output / "split.csv").read_bytes() == split
    write_scenes(tmp_path / "other", "a")
    model = ("--split", output / "split.csv", "--model", output / "focus.h5")
    refused = run("evaluate", tmp_path / "other", "--output", scores, *model, exit_code=2)
    assert "None of the images is a test image of" in refused
    run("evaluate", folder, "--output", scores, *model)
    accuracy = pd.read_csv(scores / "evaluation.csv", index_col="metric")["value"]
    assert accuracy["images"] == 1
    assert accuracy["measured_images"] == 11
    assert names_in(scores) == {
        *("evaluation.csv", "images.csv"),
        *("confusion_images.png", "confusion_patches.png", "reliability.png"),
    }


def test_z_planes_are_evaluated(tmp_path):
    for plane in (16, 18):
        write_scenes(tmp_path / "planes" / f"BBBC006_v1_images_z_{plane}", ["a"])
    output = tmp_path / "scores"
    assert "image_within_one" in run("evaluate-planes", tmp_path / "planes", "--output", output)
    assert names_in(output) == {"evaluation.csv", "images.csv", "confusion_images.png"}
    rows = pd.read_csv(output / "images.csv")[["image", "level"]].to_numpy().tolist()
    prefix = "BBBC006_v1_images_z_"
    assert rows == [[f"{prefix}16/a.tif", 0], [f"{prefix}18/a.tif", 2]]


def test_stacks_are_evaluated(images, tmp_path):
    rows = [f"{path.name},a,{z},0\n" for z, path in enumerate(images)]
    table = tmp_path / "images" / "stacks.csv"
    table.write_text("image,stack,position,focus\n" + "".join(rows))
    output = tmp_path / "scores"
    assert "best_plane_right" in run("evaluate-stacks", table, "--output", output)
    assert names_in(output) == {"planes.csv", "stacks.csv", "evaluation.csv", "stacks.png"}
    assert len(pd.read_csv(output / "planes.csv")) == len(pd.read_csv(output / "stacks.csv")) == 3


def test_plates_in_subfolders_are_told_apart(images, tmp_path):
    plates = tmp_path / "plates"
    for plate, path in zip(("1", "2/day1"), images):
        (plates / plate).mkdir(parents=True)
        path.rename(plates / plate / "A01.tif")
    output = tmp_path / "out"
    run("predict", plates, "--output", output, "--engine", "numpy")
    assert names_in(output) == {"focus.csv", "patches.csv", "1", "2"}
    assert (output / "2" / "day1" / "A01_focus.png").is_file()
    for name, rows in (("focus.csv", 1), ("patches.csv", 9)):
        table = pd.read_csv(output / name)
        assert set(table["image"]) == {"A01.tif"}
        folders = [str(plates / "1")] * rows + [str(plates / "2" / "day1")] * rows
        assert table["folder"].tolist() == folders


def test_masks_come_from_another_folder(images, tmp_path):
    masks = tmp_path / "masks"
    masks.mkdir()
    for path, side in zip(images[:2], (200, 150)):
        mask = np.zeros((side, 200), np.uint8)
        mask[:84, :84] = 7
        write_png(masks / f"{path.stem}.png", mask)
    given = ("--output", tmp_path / "out", "--mask", masks, "--engine", "numpy")
    said = run("predict", *images, *given, exit_code=1)
    assert f"{images[1]}: The mask is of shape (150, 200)" in said
    assert f"{images[2]}: It has no mask" in said
    (row,) = pd.read_csv(tmp_path / "out" / "focus.csv").to_dict("records")
    assert row["patches"] == 1


@pytest.fixture
def measured(images, tmp_path):
    """The focus.csv of three planes of a stack, in wells."""
    run("predict", *images, "--output", tmp_path / "measured", "--engine", "numpy")
    return tmp_path / "measured" / "focus.csv"


@pytest.mark.parametrize(
    "command", ["predict", "degrade", "evaluate", "summarize", "best-planes", "threshold"]
)
def test_commands_replace_only_their_files(images, measured, tmp_path, command):
    arguments = {
        "predict": (*images[:2], "--engine", "numpy"),
        "degrade": (*images[:2], "--level", 1),
        "evaluate": (images[0].parent, "--engine", "numpy"),
        "summarize": (measured,),
        "best-planes": (measured, "--pattern", r"(?P<Stack>p)_.0*(?P<Plane>\d+)_s1"),
        "threshold": (measured, "--lose", 0.5),
    }
    assert_replaces_only_own_files(run, tmp_path / "out", command, *arguments[command])


def test_images_and_tables_in_the_output_folder_are_safe(images, tmp_path):
    folder, given = images[0].parent, [path.read_bytes() for path in images]
    for _ in range(2):
        said = run("predict", folder, "--output", folder, "--engine", "numpy")
        assert "Measured 3 of 3 images" in said
        said = run("degrade", folder, "--output", folder, "--level", 1)
        assert "Degraded 3 of 3 images" in said
        for path in folder.glob("*_level1.tif"):
            path.rename(tmp_path / path.name)
    assert [path.read_bytes() for path in images] == given
    (folder / "stacks.csv").write_text("image,stack,position,focus\np_A01_s1.tif,a,0,0\n")
    said = run("evaluate-stacks", folder / "stacks.csv", "--output", folder, exit_code=2)
    assert "planes at one position only" in said
    (folder / "stacks.csv").write_text(
        "image,stack,position,focus\np_A01_s1.tif,a,0,0\np_B12_s1.tif,a,2,0\n"
    )
    said = run("evaluate-stacks", folder / "stacks.csv", "--output", folder, exit_code=2)
    assert "stacks.csv exists and was not written by 'focusqual evaluate-stacks'" in said


def test_pictures_of_an_earlier_run_do_not_stay(images, tmp_path):
    output = tmp_path / "out"
    run("predict", *images, "--output", output, "--engine", "numpy")
    run("predict", *images, "--output", output, "--engine", "numpy", "--suffix", "_2")
    (output / "mine_focus.png").write_bytes(b"mine")
    run("predict", images[0], "--output", output, "--engine", "numpy")
    ends = ("_focus.png", "_focus_2.png", "_focus_2.png", "_focus_2.png")
    pictures = {path.stem + end for path, end in zip([images[0], *images], ends)}
    assert names_in(output) == {
        *("focus.csv", "patches.csv", "focus_2.csv", "patches_2.csv", "mine_focus.png"),
        *pictures,
    }


def write_levels(path, levels, **columns):
    table = pd.DataFrame({"expected_level": levels, "score": np.round(levels), "certainty": 0.5})
    table.insert(0, "image", [f"{number}.tif" for number in range(len(levels))])
    table.assign(**columns).to_csv(path, index=False)
    return path


def test_cutoffs_of_good_images_are_those_of_a_plate(tmp_path, rng):
    levels = np.append(rng.uniform(0, 1, 98), [1.5, 1.6])
    good = write_levels(tmp_path / "good.csv", levels)
    bad = write_levels(tmp_path / "bad.csv", [1.0, 1.55, 1.61, 4.0])
    output = tmp_path / "out"
    said = run("threshold", good, bad, "--output", output)
    assert "highest score 2, highest expected level 1.5, each" in said
    assert "of 4 bad images they reject 25% and 75%" in said
    assert read_image(output / "cutoffs.png").std() > 10
    said = run("summarize", bad, "--output", output, "--cutoffs", output / "cutoffs.csv")
    assert "Wrote scores.png" in said
    refused = ("--highest-score", 1, "--cutoffs", output / "cutoffs.csv")
    said = run("summarize", bad, "--output", output, *refused, exit_code=2)
    assert "--cutoffs replaces --highest-score" in said


def test_wrong_tables_give_no_cutoffs(tmp_path):
    few = write_levels(tmp_path / "few.csv", np.arange(48) / 10)
    blank = write_levels(tmp_path / "blank.csv", np.arange(60) / 10, certainty=0.01)
    other = write_levels(tmp_path / "other.csv", [1.0], channel_name="GFP")
    (tmp_path / "no.csv").write_text("channel,highest_score\nDNA,none\n")
    (tmp_path / "dna.csv").write_text("channel,highest_score\nDNA,1\n")
    for given, sentence in (
        (["threshold", few], "48 good images are too few to lose at most 0.02 of them: measure at"),
        (["threshold", few], "measure at least 49"),
        (["threshold", blank], "blank.csv are blank: give images that show something"),
        (["threshold", few, other, "--lose", 0.1], "no good image of the channel 'GFP'"),
        (["threshold", few, "--lose", 1], "1.0 is not in the range"),
        (["summarize", few, "--cutoffs", few], "few.csv has no column channel"),
        (["summarize", few, "--cutoffs", tmp_path / "no.csv"], "'none' is not a score from 0"),
        (["summarize", other, "--cutoffs", tmp_path / "dna.csv"], "'GFP', only for DNA"),
        (["summarize", few, "--cutoffs", tmp_path / "dna.csv"], "images without a channel"),
    ):
        said = run(*given, "--output", tmp_path / "out", exit_code=2)
        assert sentence in " ".join(said.split())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", main.commands)
def test_help_describes_every_option_and_has_an_example(name):
    assert f"focusqual {name}" in run(name, "--help").split("Examples:")[1]
    for parameter in main.commands[name].params:
        assert parameter.param_type_name == "argument" or parameter.help
