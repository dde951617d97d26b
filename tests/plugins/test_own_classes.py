"""A model of classes of one's own: trained, measured, and run in CellProfiler."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from cellprofiler_core.utilities.core.modules import instantiate_module
from click.testing import CliRunner
from harness import assert_declared_is_written, choose_weights, displayed, make_workspace
from skimage.draw import disk, line
from support import needs_training, write_encoder

from micrograph_networks.files.tables import csv_table
from micrograph_networks.images.image_files import read_image, write_png
from segment.commandline.commands import main
from segment.inference.network import Widths
from segment.training.recipes import RECIPES

SHAPE = (96, 128)
COLORS = np.array([[15, 15, 30], [230, 120, 90], [90, 220, 130]])
"""Of night, discs and fibers in the scenes."""
CLASSES = ("--class", "night", "--class", "disc", "--class", "fiber", "--filament", "fiber")
PURPLE = (200, 60, 255)


def scene(seed):
    """Discs and a fiber that crosses none of them: the image, and its mask."""
    rng = np.random.default_rng(seed)
    mask = np.zeros(SHAPE, np.uint8)
    for left in (10, 50, 90):
        center = rng.uniform((14, left), (44, left + 26))
        mask[disk(center, rng.uniform(8, 12), shape=SHAPE)] = 1
    ends = rng.integers((62, 10), (90, 30)), rng.integers((62, 90), (90, 118))
    rows, cols = line(*ends[0], *ends[1])
    for shift in (-1, 0, 1):
        mask[rows + shift, cols] = 2
    image = COLORS[mask] + rng.normal(0, 12, (*SHAPE, 3))
    return np.clip(image, 0, 255).astype(np.uint8), mask


@pytest.fixture
def folder(tmp_path):
    """A table of scenes and masks."""
    with csv_table(tmp_path / "data.csv", ["images", "masks"]) as table:
        for number in range(12):
            image, mask = scene(number)
            write_png(tmp_path / f"{number}.png", image)
            write_png(tmp_path / f"{number}_mask.png", mask)
            table.writerow([f"{number}.png", f"{number}_mask.png"])
    return tmp_path


@pytest.fixture
def backbone(tmp_path, monkeypatch):
    """Random kernels, and a recipe for few channels, that are learned in a minute."""
    recipe = dataclasses.replace(RECIPES["small"], widths=Widths((8,) * 5, (8,) * 5))
    monkeypatch.setitem(RECIPES, "small", recipe)
    return write_encoder(tmp_path / "backbone.h5", np.random.default_rng(0))


def run(*arguments):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output


@needs_training
def test_three_classes_of_ones_own_from_masks_to_measurements(folder, backbone):
    epochs = (item for count in (40, 2) for item in ("--epochs", count))
    run(
        *("train", "--csv", folder / "data.csv", "--output", folder / "run"),
        *(*CLASSES, "--class-color", f"fiber={','.join(map(str, PURPLE))}"),
        *("--backbone-weights", backbone, "--working-size", 128, "--batch", 4, *epochs),
    )
    weights, scores = folder / "run" / "darkfield.h5", folder / "scores"
    with csv_table(folder / "new.csv", ["images", "masks"]) as table:
        for number in (100, 101, 102):
            image, mask = scene(number)
            write_png(folder / f"{number}.png", image)
            write_png(folder / f"{number}_mask.png", mask)
            table.writerow([f"{number}.png", f"{number}_mask.png"])

    run("evaluate", "--csv", folder / "new.csv", "--output", scores, "--model", weights)
    figures = pd.read_csv(scores / "evaluation.csv", index_col="metric")["value"]
    assert figures["iou_disc"] > 0.8
    assert figures["object_f1_disc"] == figures["object_f1_fiber"] == 1
    assert figures["count_error_fiber"] == 0

    run("predict", folder / "100.png", "--output", scores, "--model", weights)
    rows = pd.read_csv(scores / "cells.csv").groupby("class")
    assert set(rows.groups) == {"disc", "fiber"}
    assert rows.get_group("fiber")["length"].item() > 60
    assert (read_image(scores / "100_overlay.png") == PURPLE).all(axis=2).sum() > 50
    assert read_image(scores / "100_fiber.tif").max() == 1

    module = instantiate_module("SegmentDarkfieldCells")
    module.x_name.value, module.show_window = "Field", True
    choose_weights(module, weights)
    module.groups[0].class_name.value = "disc"
    module.add_next_class()
    workspace = make_workspace(module, {"Field": read_image(folder / "100.png") / 255})
    module.run(workspace)

    assert_declared_is_written(module, workspace)
    measured = workspace.measurements
    assert measured.get_current_image_measurement("Count_BloodCells") == 3
    lengths = measured.get_current_measurement("Fibers", "Darkfield_Length")
    np.testing.assert_allclose(lengths, rows.get_group("fiber")["length"], rtol=1e-3)
    assert displayed(module, workspace).table[0] == ["", "BloodCells", "Fibers"]
