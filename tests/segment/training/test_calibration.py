import numpy as np
import pytest

from segment.training.calibration import class_offsets


@pytest.fixture
def pixels(rng):
    """True classes, and logits from which nobody could tell them better than by the largest."""
    truth = rng.choice(3, 20000, p=[0.8, 0.15, 0.05])
    logits = 4.0 * np.eye(3)[truth] + rng.normal(0, 0.8, (len(truth), 3))
    return logits, truth


def softmax(logits):
    exponentials = np.exp(logits)
    return (exponentials / exponentials.sum(axis=1, keepdims=True)).astype(np.float32)


def test_what_a_network_exaggerates_is_taken_back(pixels):
    logits, truth = pixels
    shift = np.array([0, 2.5, -2], np.float32)
    found = class_offsets(softmax(logits + shift), truth)
    assert found[0] == 0
    np.testing.assert_allclose(found, -shift, atol=0.75)


def test_a_network_without_fault_is_left_alone():
    truth = np.repeat([0, 1, 2], 10)
    assert not class_offsets(np.eye(3, dtype=np.float32)[truth], truth).any()


def test_a_class_that_does_not_occur_keeps_its_offset(pixels):
    logits, truth = pixels
    logits[:, 2] = -50
    found = class_offsets(softmax(logits), np.minimum(truth, 1))
    assert found[2] == 0
