import numpy as np

from micrograph_networks.images.image_files import read_image
from segment.annotations.dataset import Sample
from segment.classes import CLASSES, pixel_classes
from segment.training.plots import compare_outlines, draw_training


def test_curves_of_every_class_are_drawn(tmp_path):
    names = ("background", "platelet")
    row = {f"{prefix}iou_{name}": 0.5 for prefix in ("", "validation_") for name in names}
    draw_training(tmp_path, [{"epoch": n, "loss": 1 / n, **row} for n in (1, 2)], names)
    for name in ("loss.png", "iou.png"):
        assert len(np.unique(read_image(tmp_path / name))) > 10


def test_truth_lies_beside_the_prediction(tmp_path):
    mask = np.zeros((40, 60), np.uint8)
    mask[10:20, 10:20] = 1
    predicted = np.roll(mask, 30, axis=1) * 2
    sample = Sample("a", np.full((40, 60, 3), 50, np.uint8), mask)
    compare_outlines(tmp_path / "a.png", sample, predicted, pixel_classes(CLASSES, {}, {}))
    drawn = (read_image(tmp_path / "a.png") != 50).any(axis=2)
    assert drawn.shape == (40, 120)
    rows, cols = np.nonzero(drawn)
    assert {rows.min(), rows.max()} == {10, 19}
    assert {cols.min(), cols[cols < 60].max()} == {10, 19}
    assert {cols[cols >= 60].min(), cols.max()} == {100, 109}
