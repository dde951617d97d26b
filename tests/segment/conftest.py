"""Networks that need no training."""

import numpy as np
import pytest
from support import NARROW, filled

from micrograph_networks.models.weights_file import Weights, write_weights
from segment.classes import CLASSES
from segment.inference.network import unet_vgg16, width_attributes


def spread(shape):
    """Return the standard deviation of a random kernel; 0 for a bias."""
    return np.sqrt(2 / np.prod(shape[:3])) if len(shape) > 1 else 0


@pytest.fixture(scope="session")
def random_weights(tmp_path_factory):
    """Return a weights file of random kernels; every layer keeps the spread of its input."""
    rng = np.random.default_rng(0)
    network = unet_vgg16(len(CLASSES), NARROW)
    layers = filled(network, lambda shape: rng.normal(0, spread(shape), shape))
    attributes = {"class_names": CLASSES, "working_size": 64, "cell_diameter": 16.0}
    attributes.update(width_attributes(NARROW))
    # The network's input reaches 150; this keeps the probabilities between 0 and 1.
    layers["block1_conv1"]["kernel"] /= 50
    path = tmp_path_factory.mktemp("weights") / "random.h5"
    write_weights(path, Weights(network.architecture, layers, attributes))
    return path
