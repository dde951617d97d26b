import numpy as np
import pytest

from micrograph_networks.images.image_files import read_image
from segment.classes import pixel_classes
from segment.training.plots import draw_training


@pytest.mark.parametrize("prefixes", [("",), ("", "validation_")])
def test_curves_of_every_class_are_drawn(tmp_path, prefixes):
    classes = pixel_classes(("background", "red cell"), {}, {})
    row = {f"{prefix}iou_{name}": 0.5 for prefix in prefixes for name in ("background", "red_cell")}
    draw_training(tmp_path, [{"epoch": n, "loss": 1 / n, **row} for n in (1, 2)], classes)
    for name in ("loss.png", "iou.png"):
        assert len(np.unique(read_image(tmp_path / name))) > 10
