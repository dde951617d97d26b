import dataclasses

import imagecodecs
import numpy as np
import pytest
from click.testing import CliRunner
from support import NARROW, needs_training, write_encoder

from micrograph_networks.files.tables import csv_table
from micrograph_networks.images.image_files import read_image
from micrograph_networks.training.run import read_epochs
from micrograph_networks.training.split import read_part
from segment.commandline.commands import main
from segment.inference.network import NETWORKS
from segment.training.recipes import RECIPES


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def data(tmp_path, rng):
    """Ten images with one cell each, and their table."""
    with csv_table(tmp_path / "data.csv", ["images", "masks"]) as table:
        for number in range(10):
            mask = np.zeros((40, 60), np.uint8)
            row, col = rng.integers(5, 25, 2)
            mask[row : row + 10, col : col + 10] = 1
            image = rng.integers(0, 90, (40, 60, 3)) + 150 * mask[..., None]
            imagecodecs.imwrite(tmp_path / f"{number}.png", image.astype(np.uint8))
            imagecodecs.imwrite(tmp_path / f"{number}_mask.png", mask)
            table.writerow([f"{number}.png", f"{number}_mask.png"])
    return tmp_path / "data.csv"


@pytest.fixture
def backbone(tmp_path, rng, monkeypatch):
    """A file of kernels of the encoder, and a recipe for a network with few channels."""
    recipe = dataclasses.replace(RECIPES["small"], widths=NARROW)
    monkeypatch.setitem(RECIPES, "small", recipe)
    return write_encoder(tmp_path / "backbone.h5", rng)


@needs_training
def test_what_is_said_of_classes_is_in_the_weights_file(data, backbone, tmp_path):
    command = ("train", "--csv", data, "--output", tmp_path / "run", "--license", "CC0")
    classes = ("--class", "background", "--class", "platelet", "--class", "fiber")
    described = ("--filament", "fiber", "--class-color", "platelet=255,0,51")
    options = ("--backbone-weights", backbone, "--working-size", 64, "--batch", 4)
    epochs = ("--epochs", 1) * 2
    result = run(*command, *classes, *described, *options, *epochs)
    assert result.exit_code == 0, result.output
    assert "8 training and 1 validation images" in result.output
    folder = tmp_path / "run"
    assert len(read_part(folder / "split.csv", "train")) == 8
    row = read_epochs(folder / "training.csv")[-1]
    assert {"iou_platelet", "validation_dice_fiber"} < set(row)
    from micrograph_networks.models.weights_file import read_weights

    attributes = read_weights(folder / "darkfield.h5", NETWORKS).attributes
    assert attributes["class_names"] == ["background", "platelet", "fiber"]
    assert attributes["class_kinds"] == ["nothing", "cells", "filaments"]
    assert attributes["class_colors"][1] == [1, 0, 0.2]
    assert attributes["training_data_license"] == "CC0"


@needs_training
def test_a_trained_model_is_gone_on_from(data, random_weights, tmp_path, monkeypatch):
    recipe = dataclasses.replace(RECIPES["small"], widths=NARROW, batch=2, crops_per_image=1)
    monkeypatch.setitem(RECIPES, "small", recipe)
    given = ("--initial", random_weights, "--no-hold-back")
    command = ("train", "--csv", data, "--output", tmp_path / "run", *given)
    result = run(*command, "--working-size", 64, "--epochs", 1, "--epochs", 0)
    assert result.exit_code == 0, result.output
    assert "10 training and 0 validation images" in result.output
    folder = tmp_path / "run"
    assert "validation_mean_iou" not in read_epochs(folder / "training.csv")[0]
    from micrograph_networks.models.weights_file import read_weights

    attributes = read_weights(folder / "darkfield.h5", NETWORKS).attributes
    assert attributes["initial"] == str(random_weights)
    assert attributes["encoder_channels"] == list(NARROW.encoder)
    result = run(*command, "--working-size", 64, "--class", "a", "--class", "b")
    assert result.exit_code == 2
    assert "has the classes background, blood cell, spirochaete" in result.output


@needs_training
@pytest.mark.parametrize(
    "options, sentence",
    [
        (("--filament", "fiber"), "'fiber' is not one of the classes"),
        (("--class-color", "spirochaete=0,0,300"), "three numbers of 0 to 255"),
        (("--no-objects", "blood cell", "--no-objects", "spirochaete"), "becomes objects"),
        (("--epochs", 0, "--epochs", 0), "2 stages"),
    ],
)
def test_wrong_choices_end_before_training(data, tmp_path, options, sentence):
    result = run("train", "--csv", data, "--output", tmp_path / "run", *options)
    assert result.exit_code == 2
    assert sentence in result.output


@needs_training
def test_faulty_data_end_before_training(data, backbone, tmp_path):
    imagecodecs.imwrite(tmp_path / "3_mask.png", np.full((40, 60), 7, np.uint8))
    (tmp_path / "5.png").unlink()
    options = ("--backbone-weights", backbone, "--output", tmp_path / "run")
    result = run("train", "--csv", data, *options)
    assert result.exit_code == 2
    assert "3_mask.png holds the value 7" in result.output
    assert "5.png does not exist" in result.output
    assert not list((tmp_path / "run").iterdir())


def test_masks_are_converted_and_faulty_ones_named(tmp_path, rng):
    indices = rng.integers(0, 2, (10, 12)).astype(np.uint8)
    imagecodecs.imwrite(tmp_path / "a.png", indices * 255)
    imagecodecs.imwrite(tmp_path / "b.png", indices * 100)
    output = tmp_path / "masks"
    colors = ("--color", "blood cell=255")
    result = run(
        "convert-masks", tmp_path / "a.png", tmp_path / "b.png", "--output", output, *colors
    )
    assert result.exit_code == 1
    assert "Converted 1 of 2 masks" in result.output
    np.testing.assert_array_equal(read_image(output / "a.png"), indices)
    assert not (output / "b.png").exists()
    result = run("convert-masks", output / "a.png", "--output", output, "--keep", "blood cell")
    assert result.exit_code == 0, result.output
    np.testing.assert_array_equal(read_image(output / "a.png"), indices * 255)
