import numpy as np
import pytest

from micrograph_networks.engines import load_functions
from micrograph_networks.models.loading import read_network
from segment.annotations.dataset import Sample
from segment.inference.network import LOGITS, NETWORKS
from segment.inference.normalization import normalize
from segment.training.calibration import calibrated, class_offsets


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


def test_whole_images_calibrate_a_model(random_weights, rng):
    weights, network = read_network(random_weights, NETWORKS)
    bias = weights.layers[LOGITS]["bias"]
    images = rng.integers(0, 256, (2, 64, 96, 3)).astype(np.uint8)
    compute = load_functions(network, weights.layers, "numpy")[0]
    truth = compute(normalize(images.astype(np.float32))).argmax(axis=3).astype(np.uint8)
    samples = [Sample("a.png", image, mask) for image, mask in zip(images, truth)]
    weights.layers[LOGITS]["bias"] = bias + np.float32([0, 1, 0])
    shifted = load_functions(network, weights.layers, "numpy")[0]

    def predict(image):
        return shifted(normalize(image.astype(np.float32))[None])[0]

    found = calibrated(weights, predict, samples)
    assert found.attributes["class_offsets"][1] < -0.5
    assert (found.layers[LOGITS]["bias"] < weights.layers[LOGITS]["bias"])[1]
    assert found.layers[LOGITS]["kernel"] is weights.layers[LOGITS]["kernel"]
