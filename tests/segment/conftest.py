"""Networks that need no training."""

import numpy as np
import pytest

from micrograph_networks.models.weights_file import Weights, write_weights
from segment.classes import CLASSES
from segment.inference.network import ARCHITECTURE, layer_shapes


@pytest.fixture(scope="session")
def random_weights(tmp_path_factory):
    """A weights file of random kernels, scaled so that every layer keeps its input's spread."""
    rng = np.random.default_rng(0)
    layers = {}
    for (layer, name), shape in layer_shapes(len(CLASSES)).items():
        spread = np.sqrt(2 / np.prod(shape[:3])) if name == "kernel" else 0
        layers.setdefault(layer, {})[name] = rng.normal(0, spread, shape)
    attributes = {"class_names": CLASSES, "working_size": 64, "cell_diameter": 16.0}
    # The network's input reaches 150; the probabilities shall be neither flat nor all 0 and 1.
    layers["block1_conv1"]["kernel"] /= 50
    path = tmp_path_factory.mktemp("weights") / "random.h5"
    write_weights(path, Weights(ARCHITECTURE, layers, attributes))
    return path
