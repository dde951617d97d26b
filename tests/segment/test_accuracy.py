"""Shipped models on fixed images: exact counts."""

import numpy as np
import pytest
from support import cell_model

from micrograph_networks.models.registry import MODEL_FOLDER
from segment import SegmentationOptions, segment_image
from segment.classes import BLOOD_CELL, CLASSES
from segment.evaluation.evaluate import evaluate_pair, pairs_of
from segment.evaluation.scores import confusion_matrix, scores
from segment.simulation.scenes import darkfield_scene

SPLIT = MODEL_FOLDER / "darkfield_v1_split.csv"


@pytest.mark.parametrize(
    "model, seed, cells, spirochaetes",
    [
        ("darkfield_v1", 1, 36, 0),
        ("darkfield_v1", 2, 6, 3),
        ("darkfield_v1", 3, 13, 3),
        ("darkfield_v2_small", 1, 36, 1),
        ("darkfield_v2_small", 2, 6, 3),
        ("darkfield_v2_small", 3, 13, 3),
    ],
)
def test_drawn_scenes(model, seed, cells, spirochaetes):
    """Training saw photographs alone. True: 36, 6 and 13 cells, 0, 3 and 3 spirochaetes."""
    scene = darkfield_scene(np.random.default_rng(seed))
    found = segment_image(scene.image, cell_model(model))
    iou = scores(confusion_matrix(scene.classes, found.classes, len(CLASSES))).iou[BLOOD_CELL]
    assert tuple(len(one.means) for one in found.by_class) == (cells, spirochaetes)
    assert iou > 0.85


@pytest.mark.parametrize(
    "model, cells, spirochaetes, expected",
    [
        (
            "darkfield_v1",
            [2, 20, 11, 2, 1, 0, 2, 25, 8, 16],
            [2, 7, 13, 4, 3, 3, 2, 8, 7, 0],
            [0.9731, 0.8700, 0.5972],
        ),
        (
            "darkfield_v2_small",
            [3, 18, 11, 2, 1, 1, 2, 24, 8, 17],
            [2, 5, 12, 3, 2, 3, 2, 7, 7, 1],
            [0.9739, 0.8714, 0.6575],
        ),
    ],
)
def test_real_images(data_folder, model, cells, spirochaetes, expected):
    """Ten images at their own size that darkfield_v1 never saw; darkfield_v2_small did."""
    pairs = pairs_of(data_folder / "darkfield" / "data.csv", SPLIT, "test")[:10]
    evaluated = [evaluate_pair(pair, cell_model(model), SegmentationOptions()) for pair in pairs]
    found = [[image.counts.tallies[name].found for image in evaluated] for name in CLASSES[1:]]
    assert found == [cells, spirochaetes]
    iou = scores(sum(image.counts.matrix for image in evaluated)).iou
    np.testing.assert_allclose(iou, expected, atol=0.001)
