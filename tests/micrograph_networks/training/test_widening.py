import numpy as np
import pytest

from micrograph_networks.engines import load_functions
from micrograph_networks.networks.layers import (
    BlocksToChannels,
    Convolution,
    Dense,
    GlobalPooling,
    Network,
    Softmax,
    array_shapes,
)
from micrograph_networks.training.widening import widened


def network(first, second, hidden):
    layers = (
        BlocksToChannels("blocks"),
        Convolution("conv1", first),
        BlocksToChannels("more_blocks"),
        Convolution("conv2", second, stride=2),
        GlobalPooling("pooled"),
        Dense("hidden", hidden),
        Dense("logits", 3, relu=False),
        Softmax("probabilities"),
    )
    return Network("test", (16, 16, 1), layers)


@pytest.fixture
def arrays(rng):
    found = {}
    for (layer, name), shape in array_shapes(network(4, 6, 5)).items():
        found.setdefault(layer, {})[name] = rng.normal(0, 0.3, shape).astype(np.float32)
    return found


def computed(declared, arrays, images):
    (function,) = load_functions(declared, arrays, "numpy")
    return function(images)


def test_the_wider_network_computes_the_same(arrays, rng):
    narrow, wide = network(4, 6, 5), network(7, 8, 9)
    images = rng.normal(size=(5, 16, 16, 1)).astype(np.float32)
    found = computed(wide, widened(arrays, narrow, wide, seed=0), images)
    expected = computed(narrow, arrays, images)
    assert expected.std(axis=0).min() > 1e-3
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_new_channels_are_alive_and_unread(arrays):
    narrow, wide = network(4, 6, 5), network(7, 8, 9)
    found = widened(arrays, narrow, wide, seed=0)
    shapes = {(layer, name): a.shape for layer, of in found.items() for name, a in of.items()}
    assert shapes == array_shapes(wide)
    assert found["conv1"]["kernel"][..., 4:].std(axis=(0, 1, 2)).min() > 0
    assert np.all(found["hidden"]["kernel"][[6, 7, 14, 15], :5] == 0)
    assert np.all(found["logits"]["kernel"][5:] == 0)


def test_a_network_as_wide_stays_as_it_is(arrays):
    same = network(4, 6, 5)
    found = widened(arrays, same, same, seed=0)
    for layer, of in arrays.items():
        for name, array in of.items():
            np.testing.assert_array_equal(found[layer][name], array)
