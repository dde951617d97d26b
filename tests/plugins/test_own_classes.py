"""Test a model with classes of one's own: training, evaluation, and a run in CellProfiler."""

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
from segment.training.recipes import RECIPES, Stage

SHAPE = (96, 128)
COLORS = np.array([[15, 15, 30], [230, 120, 90], [90, 220, 130]])
"""Colors of the background, discs, and fibers."""
CLASSES = ("--class", "night", "--class", "disc", "--class", "fiber", "--filament", "fiber")
PURPLE = (200, 60, 255)


def scene(seed):
    """Return an image of discs and a fiber that crosses none of them, and its mask."""
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


def write_scenes(path, numbers):
    """Write scenes and their table."""
    with csv_table(path, ["images", "masks"]) as table:
        for number in numbers:
            image, mask = scene(number)
            write_png(path.parent / f"{number}.png", image)
            write_png(path.parent / f"{number}_mask.png", mask)
            table.writerow([f"{number}.png", f"{number}_mask.png"])


@pytest.fixture
def backbone(tmp_path, monkeypatch):
    """Random kernels, and a recipe for few channels and small images that learns quickly."""
    stage = Stage(32, crop=128, learning_rate=5e-3, falling=True, frozen_blocks=0)
    widths = Widths((8,) * 5, (8,) * 5)
    recipe = dataclasses.replace(RECIPES["small"], widths=widths, stages=(stage,))
    monkeypatch.setitem(RECIPES, "small", recipe)
    return write_encoder(tmp_path / "backbone.h5", np.random.default_rng(0))


def run(*arguments):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output


@needs_training
def test_three_classes_of_ones_own_from_masks_to_measurements(tmp_path, backbone):
    folder, weights, scores = tmp_path, tmp_path / "run" / "darkfield.h5", tmp_path / "scores"
    write_scenes(folder / "data.csv", range(12))
    write_scenes(folder / "new.csv", (100, 101, 102))
    run(
        *("train", "--csv", folder / "data.csv", "--output", folder / "run"),
        *(*CLASSES, "--class-color", f"fiber={','.join(map(str, PURPLE))}"),
        *("--backbone-weights", backbone, "--working-size", 128, "--batch", 4),
    )

    run("evaluate", "--csv", folder / "new.csv", "--output", scores, "--model", weights)
    figures = pd.read_csv(scores / "evaluation.csv", index_col="metric")["value"]
    assert figures["iou_disc"] > 0.8
    assert figures["object_f1_disc"] == figures["object_f1_fiber"] == 1
    assert figures["count_error_fiber"] == 0

    found = tmp_path / "found"
    run("predict", folder / "100.png", "--output", found, "--model", weights)
    rows = pd.read_csv(found / "cells.csv").groupby("class")
    assert set(rows.groups) == {"disc", "fiber"}
    assert rows.get_group("fiber")["length_px"].item() > 60
    assert (read_image(found / "100_overlay.png") == PURPLE).all(axis=2).sum() > 50
    assert read_image(found / "100_fiber.tif").max() == 1

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
    np.testing.assert_allclose(lengths, rows.get_group("fiber")["length_px"], rtol=1e-3)
    assert displayed(module, workspace).table[0] == ["", "BloodCells", "Fibers"]
