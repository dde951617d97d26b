import csv

import numpy as np
import pandas as pd
import pytest
import tifffile
from click.testing import CliRunner

from micrograph_networks.images.image_files import read_image, write_png
from segment.classes import CLASSES, pixel_classes
from segment.commandline import image_command
from segment.commandline.commands import main
from segment.inference import picture

EVERYTHING = ("--minimum-area", 1, "--minimum-probability", 0, "--minimum-length", 0)
"""Options that leave nothing out."""


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def images(tmp_path, rng):
    """Three images of noise, in which the random network finds something, in their own folder."""
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("a", "b", "c"):
        write_png(folder / f"{name}.png", rng.integers(0, 255, (60, 70, 3), dtype=np.uint8))
    return sorted(folder.iterdir())


def predict(images, output, weights, *options):
    given = ("--output", output, "--weights", weights, "--engine", "numpy")
    return run("predict", *images, *given, *options)


def test_predict_writes_exactly_its_table_and_pictures(images, tmp_path, random_weights):
    output = tmp_path / "out"
    result = predict(images, output, random_weights, *EVERYTHING)
    assert result.exit_code == 0, result.output
    assert "Segmented 3 of 3 images" in result.output
    ends = ("classes.png", "blood_cell.tif", "spirochaete.tif", "overlay.png")
    names = {f"{path.stem}_{end}" for path in images for end in ends}
    assert {path.name for path in output.iterdir()} == {"cells.csv", *names}
    with open(output / "cells.csv", newline="") as file:
        columns = "image,class,label,y,x,area,length,mean_width,mean_probability,model,engine"
        assert next(csv.reader(file)) == columns.split(",")
    table = pd.read_csv(output / "cells.csv")
    for path in images:
        classes, cells, spirochaetes, overlay = (
            read_image(output / f"{path.stem}_{end}") for end in ends
        )
        assert (classes.shape, classes.dtype) == ((60, 70), np.uint8)
        assert (cells.shape, cells.dtype) == ((60, 70), np.uint16)
        assert (overlay.shape, overlay.dtype) == ((60, 70, 3), np.uint8)
        np.testing.assert_array_equal(classes == 1, cells > 0)
        np.testing.assert_array_equal(classes == 2, spirochaetes > 0)
        rows = table[table["image"] == path.name]
        found = rows[rows["class"] == "blood cell"]
        assert found["label"].tolist() == list(range(1, cells.max() + 1))
        assert found["area"].tolist() == np.bincount(cells.ravel())[1:].tolist()
        assert rows["area"].sum() == np.sum(classes > 0)
    assert len(table) > 0
    assert table["mean_probability"].between(0, 1).all()


def test_predict_writes_the_same_as_parquet(images, tmp_path, random_weights):
    pytest.importorskip("pyarrow")
    for suffix in ("csv", "parquet"):
        predict(images, tmp_path / suffix, random_weights, *EVERYTHING, "--format", suffix)
    written = pd.read_csv(tmp_path / "csv" / "cells.csv")
    found = pd.read_parquet(tmp_path / "parquet" / "cells.parquet")
    assert len(found) > 3
    pd.testing.assert_frame_equal(found, written, check_dtype=False)
    assert not (tmp_path / "parquet" / "cells.csv").exists()


def test_predict_goes_on_after_a_bad_image_and_says_so(images, tmp_path, random_weights):
    images[1].write_bytes(images[1].read_bytes()[:500])
    result = predict(images, tmp_path / "out", random_weights)
    assert result.exit_code == 1
    assert "b.png cannot be read as an image" in result.output
    assert "Segmented 2 of 3 images" in result.output
    assert not list((tmp_path / "out").glob("b*"))
    assert set(pd.read_csv(tmp_path / "out" / "cells.csv")["image"]) <= {"a.png", "c.png"}


def test_channels_of_a_composite_are_segmented_as_images(images, tmp_path, random_weights):
    colors = np.moveaxis(read_image(images[0]), 2, 0)
    stack = tmp_path / "composite.tif"
    tifffile.imwrite(stack, colors, photometric="minisblack", metadata={"axes": "CYX"})
    output = tmp_path / "out"
    result = predict([images[1], stack], output, random_weights, *EVERYTHING)
    assert result.exit_code == 0, result.output
    assert "Segmented 4 of 4 images" in result.output
    table = pd.read_csv(output / "cells.csv", dtype=str, keep_default_na=False)
    places = [["b.png", "", ""]]
    places += [[f"composite_ch{c}", "composite.tif", str(c)] for c in range(3)]
    found = table[["image", "file", "channel"]].drop_duplicates().to_numpy().tolist()
    assert found == places
    for channel, color in enumerate(colors):
        (tmp_path / "plain").mkdir(exist_ok=True)
        write_png(tmp_path / "plain" / f"{channel}.png", color)
    plain = sorted((tmp_path / "plain").iterdir())
    predict(plain, tmp_path / "plain_out", random_weights, *EVERYTHING)
    for channel in range(3):
        np.testing.assert_array_equal(
            read_image(output / f"composite_ch{channel}_classes.png"),
            read_image(tmp_path / "plain_out" / f"{channel}_classes.png"),
        )


def test_more_cells_than_numbers_are_the_images_fault(
    images, tmp_path, random_weights, monkeypatch
):
    monkeypatch.setattr(image_command, "MOST_OBJECTS", 0)
    result = predict(images, tmp_path / "out", random_weights, *EVERYTHING)
    assert result.exit_code == 1
    assert "objects are more than the 0 that a 16-bit image can number" in result.output
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"cells.csv"}


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["--weights", "none.h5"], "none.h5 does not exist"),
        (["--threshold", "1"], "1.0 is not in the range"),
        (["--cell-diameter", "0"], "0.0 is not in the range"),
        (["--minimum-area", "-1"], "-1 is not in the range"),
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
def data_set(images):
    """A table of the images and masks, and a split of them."""
    folder = images[0].parent
    rng = np.random.default_rng(1)
    for path in images:
        write_png(folder / f"{path.stem}_mask.png", rng.integers(0, 3, (60, 70), dtype=np.uint8))
    rows = "".join(f"{p.name},{p.stem}_mask.png\n" for p in images)
    (folder / "data.csv").write_text(f"images,masks\n{rows}")
    (folder / "split.csv").write_text("image,group,part\na.png,0,train\nb.png,1,test\n")
    return folder


def test_evaluate_writes_scores_and_pictures(data_set, tmp_path, random_weights):
    output = tmp_path / "scores"
    result = run(
        *("evaluate", "--csv", data_set / "data.csv", "--output", output),
        *("--weights", random_weights, *EVERYTHING),
    )
    assert result.exit_code == 0, result.output
    assert "3 images" in result.output
    figures = pd.read_csv(output / "evaluation.csv", index_col="figure")["value"]
    images = pd.read_csv(output / "images.csv", index_col="image")
    assert images.index.tolist() == ["a.png", "b.png", "c.png"]
    assert figures.index.tolist() == images.columns.tolist()
    for name in figures.index:
        assert name in result.output
    predict([data_set / f"{s}.png" for s in "abc"], output, random_weights, *EVERYTHING)
    found, true = (
        np.stack([read_image(folder / f"{stem}{end}") for stem in "abc"])
        for folder, end in ((output, "_classes.png"), (data_set, "_mask.png"))
    )
    for index, name in enumerate(CLASSES):
        name = name.replace(" ", "_")
        both, either = (found == index) & (true == index), (found == index) | (true == index)
        assert figures[f"iou_{name}"] == pytest.approx(both.sum() / either.sum(), rel=1e-4)
    cells = pd.read_csv(output / "cells.csv")
    for name in CLASSES[1:]:
        column = f"found_{name.replace(' ', '_')}"
        assert figures[column] == (cells["class"] == name).sum() == images[column].sum()
    errors = (images["judged_spirochaete"] - images["true_spirochaete"]).abs()
    assert figures["count_error_spirochaete"] == pytest.approx(errors.mean(), rel=1e-4)
    worst = images["mean_iou"].sort_values().index
    names = {f"worst{i:02}_{name}" for i, name in enumerate(worst, 1)}
    assert {path.name for path in output.glob("worst*.png")} == names
    panels = read_image(output / f"worst01_{worst[0]}")
    assert panels.shape == (60, 210, 3)
    image = read_image(data_set / worst[0])
    np.testing.assert_array_equal(panels[:, :70], image)
    true = read_image(data_set / f"{worst[0][0]}_mask.png")
    regions = picture.class_regions(true, pixel_classes(CLASSES, {}, {}))
    np.testing.assert_array_equal(panels[:, 70:140], picture.overlay(image, regions))


def test_evaluate_keeps_to_a_part_of_a_split(data_set, tmp_path, random_weights):
    given = ["--csv", data_set / "data.csv", "--output", tmp_path / "out"]
    given += ["--weights", random_weights, "--split", data_set / "split.csv"]
    result = run("evaluate", *given)
    assert result.exit_code == 0, result.output
    assert pd.read_csv(tmp_path / "out" / "images.csv")["image"].tolist() == ["b.png"]
    result = run("evaluate", *given, "--part", "validation")
    assert result.exit_code == 2
    assert "split.csv contains no validation image" in result.output
    (data_set / "split.csv").write_text("image,group,part\nz.png,0,test\n")
    result = run("evaluate", *given)
    assert result.exit_code == 2
    assert "lists none of the test images" in result.output


def test_evaluate_names_a_mask_of_another_size(data_set, tmp_path, random_weights):
    write_png(data_set / "b_mask.png", np.zeros((9, 9), np.uint8))
    result = run(
        *("evaluate", "--csv", data_set / "data.csv", "--output", tmp_path / "out"),
        *("--weights", random_weights),
    )
    assert result.exit_code == 2
    assert "b_mask.png is 9x9" in result.output
    assert not list((tmp_path / "out").glob("*"))


def test_help_has_an_example_for_every_command():
    for name in main.commands:
        result = run(name, "--help")
        assert result.exit_code == 0
        assert f"segment-darkfield {name}" in result.output.split("Examples:")[1]


def test_scenes_are_a_data_set_that_evaluate_takes(tmp_path, random_weights):
    result = run("scenes", "--output", tmp_path, "--count", 2, "--seed", 3)
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "data.csv")
    assert table["masks"].tolist() == ["masks/scene_01_mask.png", "masks/scene_02_mask.png"]
    assert read_image(tmp_path / table["images"][0]).shape == (480, 640, 3)
    arguments = ("--csv", tmp_path / "data.csv", "--output", tmp_path / "scores")
    result = run("evaluate", *arguments, "--weights", random_weights)
    assert result.exit_code == 0, result.output
