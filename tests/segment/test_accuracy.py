"""A shipped model on fixed images: exact counts."""

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
MODEL = "darkfield_v1"


@pytest.mark.parametrize("seed, cells, spirochaetes", [(1, 36, 0), (2, 6, 3), (3, 13, 3)])
def test_drawn_scenes(seed, cells, spirochaetes):
    """Training saw photographs alone. True: 36, 6 and 13 cells, 0, 3 and 3 spirochaetes."""
    scene = darkfield_scene(np.random.default_rng(seed))
    found = segment_image(scene.image, cell_model(MODEL))
    iou = scores(confusion_matrix(scene.classes, found.classes, len(CLASSES))).iou[BLOOD_CELL]
    assert tuple(len(one.means) for one in found.by_class) == (cells, spirochaetes)
    assert iou > 0.85


def test_real_images_that_training_never_saw(data_folder):
    """Ten images of the test part, at their own size."""
    pairs = pairs_of(data_folder / "darkfield" / "data.csv", SPLIT, "test")[:10]
    evaluated = [evaluate_pair(pair, cell_model(MODEL), SegmentationOptions()) for pair in pairs]
    found = [[image.tallies[name].found for image in evaluated] for name in CLASSES[1:]]
    assert found[0] == [2, 20, 11, 2, 1, 0, 2, 25, 8, 16]
    assert found[1] == [2, 5, 12, 2, 2, 3, 1, 8, 7, 0]
    iou = scores(sum(image.matrix for image in evaluated)).iou
    np.testing.assert_allclose(iou, [0.9733, 0.8695, 0.5989], atol=0.001)


def test_pipelines_of_earlier_versions_count_the_same_cells(data_folder):
    """They leave out no object for its mean probability. Five of the same images."""
    pairs = pairs_of(data_folder / "darkfield" / "data.csv", SPLIT, "test")[3:8]
    options = SegmentationOptions(minimum_probability=0.0)
    cells = [
        evaluate_pair(pair, cell_model(MODEL), options).tallies["blood cell"].found
        for pair in pairs
    ]
    assert cells == [2, 3, 1, 4, 25]
