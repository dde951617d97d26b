import numpy as np
import pytest
from darkfield_perceptilabs import iou_of_both_channels
from support import needs_training


@pytest.mark.parametrize("wrong", [0, 0.1, 0.5, 1])
def test_the_figure_of_the_tool_goes_by_the_pixels_that_are_right_alone(rng, wrong):
    classes = (rng.random((4, 50, 50)) < 0.13).astype(int)
    mistaken = rng.random(classes.shape) < wrong
    truth = np.eye(2)[classes]
    probabilities = 0.2 + 0.6 * np.eye(2)[classes ^ mistaken]
    right = 1 - mistaken.mean()
    assert iou_of_both_channels(truth, probabilities) == pytest.approx(right / (2 - right))


def test_an_image_called_all_background_gets_most_of_it():
    classes = np.zeros((100, 100), int)
    classes[:13] = 1
    nothing = np.eye(2)[np.zeros_like(classes)]
    assert iou_of_both_channels(np.eye(2)[classes], nothing) == pytest.approx(0.77, abs=0.003)


@needs_training
def test_the_dice_loss_is_that_of_cells(rng):
    import keras
    from darkfield_perceptilabs import dice

    classes = rng.integers(0, 2, (2, 8, 8))
    truth = np.eye(2, dtype=np.float32)[classes]
    tensor = keras.backend.constant if not hasattr(keras, "ops") else keras.ops.convert_to_tensor
    assert float(dice(tensor(truth), tensor(truth))) == pytest.approx(0, abs=1e-6)
    assert float(dice(tensor(truth), tensor(1 - truth))) == pytest.approx(1, abs=0.02)
