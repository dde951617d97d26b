import numpy as np
import pytest

from segment.training import losses


@pytest.fixture
def tensors(rng):
    truth = np.eye(3, dtype=np.float32)[rng.integers(0, 3, (2, 8, 8))]
    logits = rng.normal(size=(2, 8, 8, 3)).astype(np.float32)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    return truth, probabilities


def soft_dice(truth, probabilities):
    both = (truth * probabilities).sum(axis=(0, 1, 2))
    return (2 * both + 1) / (truth.sum(axis=(0, 1, 2)) + probabilities.sum(axis=(0, 1, 2)) + 1)


def value(loss, truth, probabilities):
    import keras

    convert = getattr(keras, "ops", keras.backend)
    convert = getattr(convert, "convert_to_tensor", None) or convert.constant
    return float(loss(convert(truth), convert(probabilities)))


def test_cross_entropy_is_added_to_dice_of_all_classes(tensors):
    truth, probabilities = tensors
    cross_entropy = -(truth * np.log(probabilities)).sum(axis=-1).mean()
    expected = cross_entropy + 1 - soft_dice(*tensors).mean()
    assert value(losses.cross_entropy_and_dice, *tensors) == pytest.approx(expected, 1e-5)


def test_a_perfect_prediction_costs_nothing(tensors):
    truth, _ = tensors
    assert value(losses.cross_entropy_and_dice, truth, truth) == pytest.approx(0, abs=1e-5)
