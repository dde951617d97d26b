import numpy as np
import pandas as pd
import pytest
import tifffile
from click.testing import CliRunner
from support import assert_replaces_only_own_files

from micrograph_networks.images.image_files import read_image, write_png
from segment.classes import CLASSES, pixel_classes
from segment.commandline import image_command
from segment.commandline.commands import main
from segment.inference import picture
from segment.simulation.scenes import darkfield_scene

EVERYTHING = ("--minimum-area", 1, "--minimum-probability", 0, "--minimum-length", 0)
"""Options that discard nothing."""


def run(*arguments, exit_code=0):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == exit_code, result.output
    return result.output


@pytest.fixture
def images(tmp_path, rng):
    """Three scenes, in which the random network finds something, in their own folder."""
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("a", "b", "c"):
        write_png(folder / f"{name}.png", darkfield_scene(rng, (60, 70)).image)
    return sorted(folder.iterdir())


@pytest.fixture
def network(random_weights):
    return ("--model", random_weights, "--engine", "numpy", *EVERYTHING)


def test_predict_writes_exactly_its_table_and_pictures(images, tmp_path, network):
    output = tmp_path / "out"
    said = run("predict", *images, "--output", output, *network)
    assert "Segmented 3 of 3 images" in said
    assert "has no fit for probabilities of spirochaetes" in said
    ends = ("classes.png", "blood_cell.tif", "spirochaete.tif", "overlay.png", "uncertainty.png")
    names = {f"{path.stem}_{end}" for path in images for end in ends}
    assert {path.name for path in output.iterdir()} == {"cells.csv", "images.csv", *names}
    table = pd.read_csv(output / "cells.csv")
    assert ",".join(table) == (
        "image,class,object_number,center_x_px,center_y_px,area_px,length_px,mean_width_px,"
        "mean_probability,spirochaete_probability,model,engine,folder"
    )
    rows = pd.read_csv(output / "images.csv")
    assert rows["image"].tolist() == [path.name for path in images]
    assert rows["blood_cells"].sum() == (table["class"] == "blood cell").sum()
    for path in images:
        classes, cells, spirochaetes, overlay, uncertainty = (
            read_image(output / f"{path.stem}_{end}") for end in ends
        )
        assert (classes.shape, classes.dtype) == ((60, 70), np.uint8)
        assert (cells.shape, cells.dtype) == ((60, 70), np.uint16)
        assert (overlay.shape, overlay.dtype) == ((60, 70, 3), np.uint8)
        assert (uncertainty.shape, uncertainty.dtype) == ((60, 70), np.uint8)
        assert uncertainty.max() > 0
        np.testing.assert_array_equal(classes == 1, cells > 0)
        np.testing.assert_array_equal(classes == 2, spirochaetes > 0)
        rows = table[table["image"] == path.name]
        found = rows[rows["class"] == "blood cell"]
        assert found["object_number"].tolist() == list(range(1, cells.max() + 1))
        assert found["area_px"].tolist() == np.bincount(cells.ravel())[1:].tolist()
        assert rows["area_px"].sum() == np.sum(classes > 0)
    assert len(table) > 0
    assert table["mean_probability"].between(0, 1).all()


def test_predict_writes_the_same_as_parquet(images, tmp_path, network):
    pytest.importorskip("pyarrow")
    for suffix in ("csv", "parquet"):
        run("predict", images[0], "--output", tmp_path / suffix, *network, "--format", suffix)
    written = pd.read_csv(tmp_path / "csv" / "cells.csv")
    found = pd.read_parquet(tmp_path / "parquet" / "cells.parquet")
    assert len(found) > 3
    pd.testing.assert_frame_equal(found, written, check_dtype=False)
    assert len(pd.read_parquet(tmp_path / "parquet" / "images.parquet")) == 1
    assert not (tmp_path / "parquet" / "cells.csv").exists()


def test_predict_continues_after_a_bad_image_and_says_so(images, tmp_path, network):
    images[1].write_bytes(images[1].read_bytes()[:500])
    said = run("predict", *images, "--output", tmp_path / "out", *network, exit_code=1)
    assert "b.png cannot be read as an image" in said
    assert "Segmented 2 of 3 images" in said
    assert not list((tmp_path / "out").glob("b*"))
    assert set(pd.read_csv(tmp_path / "out" / "cells.csv")["image"]) <= {"a.png", "c.png"}


def test_channels_of_a_composite_are_segmented_as_images(images, tmp_path, network):
    colors = np.moveaxis(read_image(images[0]), 2, 0)
    stack, plain, output = tmp_path / "composite.tif", tmp_path / "plain.png", tmp_path / "out"
    tifffile.imwrite(stack, colors, photometric="minisblack", metadata={"axes": "CYX"})
    write_png(plain, colors[2])
    assert "Segmented 4 of 4 images" in run("predict", stack, plain, "--output", output, *network)
    table = pd.read_csv(output / "cells.csv", dtype=str, keep_default_na=False)
    found = table[["image", "file", "channel"]].drop_duplicates().to_numpy().tolist()
    planes = [[f"composite_ch{channel}", "composite.tif", str(channel)] for channel in range(3)]
    assert found == [*planes, ["plain.png", "", ""]]
    same = (read_image(output / f"{name}_classes.png") for name in ("composite_ch2", "plain"))
    np.testing.assert_array_equal(*same)


def test_images_without_a_finite_pixel_are_not_counted(images, tmp_path, network):
    tifffile.imwrite(tmp_path / "nan.tif", np.full((60, 70), np.nan, np.float32))
    output = tmp_path / "out"
    arguments = ("predict", images[0], tmp_path / "nan.tif", "--output", output, *network)
    assert "nan.tif: All pixels are NaN or infinite" in run(*arguments, exit_code=1)
    assert pd.read_csv(output / "images.csv")["image"].tolist() == [images[0].name]


def test_masks_and_suffixes_are_used(images, tmp_path, network):
    output, masks, mask = tmp_path / "out", tmp_path / "masks", np.zeros((60, 70), np.uint8)
    mask[:45, :60] = 255
    masks.mkdir()
    for path in images:
        write_png(masks / path.name, mask)
    given = ("--output", output, "--mask", masks, "--suffix", "_inside", *network)
    run("predict", images[0].parent, *given)
    ends = ("classes_inside.png", "blood_cell_inside.tif", "spirochaete_inside.tif")
    ends += ("overlay_inside.png", "uncertainty_inside.png")
    names = {f"{path.stem}_{end}" for path in images for end in ends}
    assert {path.name for path in output.iterdir()} == {
        "cells_inside.csv",
        "images_inside.csv",
        *names,
    }
    classes = read_image(output / "a_classes_inside.png")
    assert classes[mask > 0].any() and not classes[mask == 0].any()
    assert not read_image(output / "a_uncertainty_inside.png")[mask == 0].any()
    assert "it may have letters" in run("predict", images[0], *given, "--suffix", "/x", exit_code=2)


@pytest.mark.parametrize("factor, dtype", [(1, np.uint16), (16, np.uint16), (1 / 255, np.float32)])
def test_bit_depth_and_exposure_do_not_matter(images, tmp_path, network, factor, dtype):
    colors = read_image(images[0]) * np.float64(factor)
    tifffile.imwrite(tmp_path / "a.tif", colors.astype(dtype))
    run("predict", images[0], "--output", tmp_path / "usual", *network)
    run("predict", tmp_path / "a.tif", "--output", tmp_path / "other", *network)
    same = (read_image(tmp_path / folder / "a_classes.png") for folder in ("usual", "other"))
    np.testing.assert_array_equal(*same)


def test_too_many_cells_for_a_label_image_are_reported(images, tmp_path, network, monkeypatch):
    monkeypatch.setattr(image_command, "MOST_OBJECTS", 0)
    said = run("predict", images[0], "--output", tmp_path / "out", *network, exit_code=1)
    assert "objects are more than the 0 that a 16-bit image can number" in said
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["--model", "none.h5"], "none.h5 does not exist"),
        (["--threshold", "1"], "1.0 is not in the range"),
        (["--minimum-area", "-1"], "-1 is not in the range"),
    ],
)
def test_wrong_options_stop_before_anything_is_written(images, tmp_path, arguments, sentence):
    assert sentence in run(
        "predict", *images, "--output", tmp_path / "out", *arguments, exit_code=2
    )
    assert not list(tmp_path.glob("out/*"))


def test_images_of_one_name_are_refused(images, tmp_path):
    said = run("predict", images[0], images[0], "--output", tmp_path / "out", exit_code=2)
    assert "would write the same files" in said


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


def test_evaluate_writes_metrics_and_pictures(data_set, tmp_path, network):
    output = tmp_path / "scores"
    said = run("evaluate", "--csv", data_set / "data.csv", "--output", output, *network)
    metrics = pd.read_csv(output / "evaluation.csv", index_col="metric")["value"]
    images = pd.read_csv(output / "images.csv", index_col="image")
    assert images.index.tolist() == ["a.png", "b.png", "c.png"]
    assert metrics.index.tolist() == ["images", *images.columns]
    assert metrics["images"] == 3
    assert all(name in said for name in metrics.index)
    found_in, names = tmp_path / "found", [data_set / f"{stem}.png" for stem in "abc"]
    run("predict", *names, "--output", found_in, *network)
    found = np.stack([read_image(found_in / f"{stem}_classes.png") for stem in "abc"])
    true = np.stack([read_image(data_set / f"{stem}_mask.png") for stem in "abc"])
    for index, name in enumerate(CLASSES):
        both, either = (found == index) & (true == index), (found == index) | (true == index)
        iou = metrics[f"iou_{name.replace(' ', '_')}"]
        assert iou == pytest.approx(both.sum() / either.sum(), rel=1e-4)
    cells = pd.read_csv(found_in / "cells.csv")
    for name in CLASSES[1:]:
        column = f"found_{name.replace(' ', '_')}"
        assert metrics[column] == (cells["class"] == name).sum() == images[column].sum()
    errors = (images["judged_spirochaete"] - images["true_spirochaete"]).abs()
    assert metrics["count_error_spirochaete"] == pytest.approx(errors.mean(), rel=1e-4)
    shown = np.stack([read_image(found_in / f"{stem}_uncertainty.png") for stem in "abc"])
    for limit in (0.5, 0.7, 0.9):
        above = shown > 255 * limit
        wrong = (found != true)[above].mean() if above.any() else np.nan
        assert metrics[f"wrong_above_{limit}"] == pytest.approx(wrong, abs=0.02, nan_ok=True)
    worst = images["mean_iou"].sort_values().index
    names = {f"worst{i:02}_{name}" for i, name in enumerate(worst, 1)}
    assert {path.name for path in output.glob("worst*.png")} == names
    panels, image = read_image(output / f"worst01_{worst[0]}"), read_image(data_set / worst[0])
    classes = pixel_classes(CLASSES, {}, {})
    outlines = [
        picture.overlay(image, picture.class_regions(indices["abc".index(worst[0][0])], classes))
        for indices in (np.zeros_like(true), true, found)
    ]
    np.testing.assert_array_equal(panels, np.concatenate(outlines, axis=1))


def test_evaluate_keeps_to_a_part_of_a_split(data_set, tmp_path, network):
    split, output = data_set / "split.csv", tmp_path / "out"
    given = ("evaluate", "--csv", data_set / "data.csv", "--output", output, "--split", split)
    run(*given, *network)
    assert pd.read_csv(output / "images.csv")["image"].tolist() == ["b.png"]
    said = run(*given, *network, "--part", "validation", exit_code=2)
    assert "split.csv contains no validation image" in said
    split.write_text("image,group,part\nz.png,0,test\n")
    assert "None of the images is a test image of" in run(*given, *network, exit_code=2)


def test_help_has_an_example_for_every_command():
    for name in main.commands:
        assert f"segment-darkfield {name}" in run(name, "--help").split("Examples:")[1]


def test_every_option_of_a_command_has_help():
    for command in main.commands.values():
        for parameter in command.params:
            assert parameter.param_type_name == "argument" or parameter.help


def test_scenes_are_a_data_set_that_evaluate_takes(tmp_path, network):
    run("scenes", "--output", tmp_path, "--count", 2, "--seed", 3)
    table = pd.read_csv(tmp_path / "data.csv")
    assert table["masks"].tolist() == ["masks/scene_01_mask.png", "masks/scene_02_mask.png"]
    assert read_image(tmp_path / table["images"][0]).shape == (480, 640, 3)
    run("evaluate", "--csv", tmp_path / "data.csv", "--output", tmp_path / "scores", *network)


@pytest.fixture
def masks(tmp_path, rng):
    """A mask of class indices 0 and 1, as 0 and 255 in a.png and as 0 and 100 in b.png."""
    indices = rng.integers(0, 2, (10, 12)).astype(np.uint8)
    write_png(tmp_path / "a.png", indices * 255)
    write_png(tmp_path / "b.png", indices * 100)
    return indices


def test_masks_are_converted_and_faulty_ones_named(masks, tmp_path):
    given, output = [tmp_path / "a.png", tmp_path / "b.png"], tmp_path / "masks"
    colors = ("--color", "blood cell=255")
    said = run("convert-masks", *given, "--output", output, *colors, exit_code=1)
    assert "Converted 1 of 2 masks" in said
    np.testing.assert_array_equal(read_image(output / "a.png"), masks)
    assert not (output / "b.png").exists()
    white = tmp_path / "white"
    run("convert-masks", output, "--output", white, "--keep", "blood cell")
    np.testing.assert_array_equal(read_image(white / "a.png"), masks * 255)


@pytest.mark.parametrize("command", ["predict", "evaluate", "scenes", "convert-masks"])
def test_commands_replace_only_their_files(data_set, tmp_path, network, command):
    arguments = {
        "predict": (data_set / "a.png", *network),
        "evaluate": ("--csv", data_set / "data.csv", *network),
        "scenes": ("--count", 1),
        "convert-masks": (data_set / "a_mask.png", "--keep", "blood cell"),
    }
    assert_replaces_only_own_files(run, tmp_path / "out", command, *arguments[command])


def test_masks_are_not_converted_in_place(masks, tmp_path):
    given = (tmp_path / "a.png").read_bytes()
    convert = ("convert-masks", tmp_path, "--output", tmp_path, "--color", "blood cell=255")
    assert "a.png exists and was not written by" in run(*convert, exit_code=2)
    assert (tmp_path / "a.png").read_bytes() == given
    run("scenes", "--output", tmp_path / "scenes", "--count", 1)
    (mask,) = (tmp_path / "scenes" / "masks").iterdir()
    said = run("convert-masks", mask, "--output", mask.parent, "--keep", "blood cell", exit_code=2)
    assert "was not written by 'segment-darkfield convert-masks'" in said


def test_class_images_can_be_converted(images, tmp_path, network):
    run("predict", images[0], "--output", tmp_path / "out", *network)
    classes = tmp_path / "out" / "a_classes.png"
    run("convert-masks", classes, "--output", tmp_path / "white", "--keep", "spirochaete")
    white = read_image(tmp_path / "white" / "a_classes.png")
    np.testing.assert_array_equal(white, 255 * (read_image(classes) == 2))
