import numpy as np
import pytest
from support import focus_model

from focusqual import FocusOptions
from focusqual.evaluation import evaluate as evaluation
from focusqual.evaluation.evaluate import BETWEEN, BLANK, FOREGROUND
from focusqual.inference.measurement import FocusMeasurement
from focusqual.simulation import scenes
from micrograph_networks.errors import UserError
from micrograph_networks.images.image_files import write_tiff


def measured(level, patch_levels, content):
    probabilities = np.eye(11, dtype=np.float32)[patch_levels][None]
    counted = np.ones((1, len(patch_levels)), bool)
    boxes = np.zeros((1, len(patch_levels), 4), int)
    measurement = FocusMeasurement(boxes, probabilities, counted, FocusOptions())
    return evaluation.MeasuredImage("a", level, measurement, np.array([content]))


def test_accuracy_of_known_predictions():
    images = [
        measured(3, [3, 3, 9], [FOREGROUND, FOREGROUND, BLANK]),
        measured(0, [2, 2, 0], [FOREGROUND, BETWEEN, FOREGROUND]),
    ]
    accuracy = evaluation.accuracy(images, FocusOptions())
    assert (accuracy["images"], accuracy["measured_images"]) == (1, 2)
    assert accuracy["image_exact"] == 0.5
    assert accuracy["image_within_one"] == 0.5
    assert accuracy["image_mean_absolute_error"] == 1
    assert accuracy["image_out_of_focus_f_score"] == pytest.approx(2 / 3)
    assert accuracy["foreground_patches"] == 4
    assert accuracy["foreground_within_one"] == 0.75
    assert accuracy["blank_median_certainty"] == pytest.approx(1, abs=1e-6)


def test_every_image_is_measured_at_every_level(tmp_path, rng):
    path = tmp_path / "a.tif"
    write_tiff(path, scenes.nuclei(rng, 200, 1.0).astype(np.float32))
    images = list(evaluation.measure_synthetic(path, focus_model(), FocusOptions(), seed=0))
    assert [image.level for image in images] == list(range(11))
    assert all(image.content.shape == (3, 3) for image in images)


def test_images_that_cannot_be_blurred_are_named(tmp_path):
    write_tiff(tmp_path / "a.tif", np.full((90, 90), np.nan, np.float32))
    with pytest.raises(UserError, match="a.tif: Some pixels are NaN or infinite"):
        list(evaluation.measure_synthetic(tmp_path / "a.tif", focus_model(), FocusOptions(), 0))


def test_patches_are_sorted_by_what_they_show():
    light = np.zeros((84, 252))
    light[:, :20] = 1
    blurred = light.copy()
    blurred[:, 84:168] += 0.1
    boxes = np.array([[(0, 0, 84, 84), (0, 84, 84, 84), (0, 168, 84, 84)]])
    content = evaluation.patch_content(light, blurred, boxes)
    assert content.tolist() == [[FOREGROUND, BETWEEN, BLANK]]


def test_z_planes_are_found_with_their_levels(tmp_path):
    with pytest.raises(UserError, match="BBBC006_v1_images_z_00"):
        evaluation.z_planes(tmp_path, focal_plane=16)
    for plane in (0, 14, 16, 33):
        folder = tmp_path / f"BBBC006_v1_images_z_{plane:02}"
        folder.mkdir()
        (folder / "mcf-z-stacks-03212011_a01_s1_w1.tif").touch()
    found = evaluation.z_planes(tmp_path, focal_plane=16)
    assert [level for _, level in found] == [10, 2, 0, 10]
