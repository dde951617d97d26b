import dataclasses
import re

import numpy as np
import pytest
from click.testing import CliRunner
from support import NARROW, needs_training, write_encoder

from micrograph_networks.files.tables import csv_table
from micrograph_networks.files.writing import LOCK
from micrograph_networks.images.image_files import write_png
from micrograph_networks.models.weights_file import read_weights
from micrograph_networks.training.run import read_epochs
from micrograph_networks.training.split import select_part
from segment.commandline.commands import main
from segment.inference.network import NETWORKS
from segment.training.recipes import RECIPES

pytestmark = needs_training


@pytest.fixture
def train(tmp_path, rng, monkeypatch):
    """Return a function that trains a network of few channels on ten images with one cell each."""
    recipe = dataclasses.replace(RECIPES["small"], widths=NARROW, batch=4, crops_per_image=1)
    monkeypatch.setitem(RECIPES, "small", recipe)
    with csv_table(tmp_path / "data.csv", ["images", "masks"]) as table:
        for number in range(10):
            mask = np.zeros((40, 60), np.uint8)
            row, col = rng.integers(5, 25, 2)
            mask[row : row + 10, col : col + 10] = 1
            image = rng.integers(0, 90, (40, 60, 3)) + 150 * mask[..., None]
            write_png(tmp_path / f"{number}.png", image.astype(np.uint8))
            write_png(tmp_path / f"{number}_mask.png", mask)
            table.writerow([f"{number}.png", f"{number}_mask.png"])
    command = ("train", "--csv", tmp_path / "data.csv", "--output", tmp_path / "run")

    def run(*options, exit_code=0):
        arguments = [str(argument) for argument in (*command, "--working-size", 64, *options)]
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == exit_code, result.output
        return result.output

    return run


def attributes(folder):
    return read_weights(folder / "darkfield.h5", NETWORKS).attributes


def test_what_is_said_of_classes_is_in_the_weights_file(train, tmp_path, rng):
    said = train(
        *("--class", "background", "--class", "platelet", "--class", "fiber"),
        *("--filament", "fiber", "--class-color", "platelet=255,0,51", "--license", "CC0"),
        *("--backbone-weights", write_encoder(tmp_path / "backbone.h5", rng)),
        *("--epochs", 1, "--epochs", 0),
    )
    assert "Images for training: 8; for validation: 1" in said
    assert re.search(r"Epoch 1 of 1: loss \d+\.\d+; validation mean IoU 0\.\d+", said)
    folder = tmp_path / "run"
    images = [tmp_path / f"{number}.png" for number in range(10)]
    assert len(select_part(images, folder / "split.csv", "train")) == 8
    row = read_epochs(folder / "training.csv")[-1]
    assert {"iou_platelet", "validation_dice_fiber"} < set(row)
    stored = attributes(folder)
    assert stored["class_names"] == ["background", "platelet", "fiber"]
    assert stored["class_kinds"] == ["nothing", "cells", "filaments"]
    assert stored["class_colors"][1] == [1, 0, 0.2]
    assert stored["training_data_license"] == "CC0"


def test_training_starts_from_a_model(train, tmp_path, random_weights):
    given = ("--initial", random_weights, "--no-hold-back")
    said = train(*given, "--epochs", 1, "--epochs", 0)
    assert "Images for training: 10; for validation: 0" in said
    assert "Epoch 1 of 1: loss " in said
    folder = tmp_path / "run"
    assert "validation_mean_iou" not in read_epochs(folder / "training.csv")[0]
    assert attributes(folder)["initial"] == str(random_weights)
    assert attributes(folder)["encoder_channels"] == list(NARROW.encoder)


@pytest.mark.parametrize(
    "options, sentence",
    [
        (("--filament", "fiber"), "'fiber' is not one of the classes"),
        (("--class-color", "spirochaete=0,0,300"), "three numbers of 0 to 255"),
        (("--no-objects", "blood cell", "--no-objects", "spirochaete"), "becomes objects"),
        (("--epochs", 0, "--epochs", 0), "2 stages"),
        (("--initial", "a.h5", "--backbone-weights", "b.h5"), "starts from one of them"),
    ],
)
def test_wrong_choices_end_before_training(train, options, sentence):
    assert sentence in train(*options, exit_code=2)


def test_faulty_data_end_before_training(train, tmp_path, random_weights):
    write_png(tmp_path / "3_mask.png", np.full((40, 60), 7, np.uint8))
    (tmp_path / "5.png").unlink()
    said = train("--initial", random_weights, exit_code=2)
    assert "3_mask.png holds the value 7" in said
    assert "5.png does not exist" in said
    assert [path.name for path in (tmp_path / "run").iterdir()] == [LOCK]
