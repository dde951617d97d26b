import numpy as np
import pytest
from support import NARROW, filled

from micrograph_networks.engines import load_functions
from micrograph_networks.networks.layers import Convolution, Network
from segment.inference.network import FULL, Widths, encoder, unet_vgg16
from segment.training.balancing import balance, narrowed


@pytest.fixture
def images(rng):
    return rng.normal(0, 60, (2, 64, 96, 3)).astype(np.float32)


def test_the_channels_that_vary_most_are_kept(rng, images):
    vgg16 = filled(encoder(unet_vgg16(2)), lambda shape: rng.normal(0, 0.05, shape))
    first, second = vgg16["block1_conv1"], vgg16["block1_conv2"]
    first["kernel"][..., [1, 6]] *= 100
    second["bias"][30] = 1e5
    second["kernel"][..., [0, 5]] *= 100
    kept = narrowed(vgg16, Widths((2, 4, 4, 4, 4), NARROW.decoder), images)
    np.testing.assert_array_equal(kept["block1_conv1"]["bias"], first["bias"][[1, 6]])
    expected = second["kernel"][:, :, [1, 6]][..., [0, 5]]
    np.testing.assert_array_equal(kept["block1_conv2"]["kernel"], expected)
    assert kept["block5_conv3"]["kernel"].shape == (3, 3, 4, 4)
    whole = narrowed(vgg16, FULL, images)
    for name, arrays in vgg16.items():
        np.testing.assert_array_equal(whole[name]["kernel"], arrays["kernel"])


def sizes(network, arrays, images):
    """Return the root mean square of the result of each convolution with ReLU."""
    found = {}
    for number, layer in enumerate(network.layers, 1):
        if isinstance(layer, Convolution) and layer.relu:
            first = Network("", network.inputs, network.layers[:number])
            result = load_functions(first, arrays, "numpy")[0](images)
            found[layer.name] = np.sqrt(np.square(result).mean())
    return found


def test_layers_get_one_size_and_the_result_stays(rng, images):
    network = unet_vgg16(3, NARROW)
    spreads = rng.permutation(np.geomspace(0.02, 0.5, len(network.find(Convolution))))
    arrays = filled(network, lambda shape: rng.normal(0, 1, shape))
    for own, spread in zip(arrays.values(), spreads):
        own["kernel"] *= spread
    balanced = balance(arrays, network, images)
    before, after = sizes(network, arrays, images), sizes(network, balanced, images)
    assert max(before.values()) > 50 * min(before.values())
    np.testing.assert_allclose(list(after.values()), 1, rtol=1e-3)
    new = rng.normal(0, 60, (1, 64, 96, 3)).astype(np.float32)
    old, now = (load_functions(network, a, "numpy")[0](new) for a in (arrays, balanced))
    np.testing.assert_allclose(now, old, atol=1e-3)


def test_a_layer_that_gives_nothing_stays_finite(rng, images):
    network = encoder(unet_vgg16(3, NARROW))
    arrays = filled(network, lambda shape: rng.normal(0, 0.1, shape))
    arrays["block3_conv1"]["kernel"][:] = 0
    arrays["block3_conv1"]["bias"][:] = 0
    balanced = balance(arrays, network, images)
    assert all(np.isfinite(a).all() for own in balanced.values() for a in own.values())
