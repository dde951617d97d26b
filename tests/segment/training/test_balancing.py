import numpy as np
import pytest
from support import filled

from micrograph_networks.engines import load_functions
from micrograph_networks.networks.layers import Convolution
from segment.inference.network import Widths, encoder, unet_vgg16
from segment.training.balancing import balance
from segment.training.layerwise import compute_layer, walk

WIDTHS = Widths((8, 12, 12, 16, 16), (12, 8, 8, 8, 4))


@pytest.fixture
def images(rng):
    return rng.normal(0, 60, (2, 64, 96, 3)).astype(np.float32)


def sizes(network, arrays, images):
    """Root mean square of what each convolution gives."""
    found = {}

    def convolve(layer, x):
        result = compute_layer(layer, arrays, x)
        found[layer.name] = np.sqrt(np.square(result).mean())
        return result

    walk(network, images, convolve)
    return found


def test_layers_get_one_size_and_the_result_stays(rng, images):
    network = unet_vgg16(3, WIDTHS)
    spreads = rng.permutation(np.geomspace(0.02, 0.5, len(network.find(Convolution))))
    arrays = filled(network, lambda shape: rng.normal(0, 1, shape))
    for own, spread in zip(arrays.values(), spreads):
        own["kernel"] *= spread
    balanced = balance(arrays, network, images)
    before, after = sizes(network, arrays, images), sizes(network, balanced, images)
    *with_relu, last = after
    assert max(before.values()) > 100 * min(before.values())
    np.testing.assert_allclose([after[name] for name in with_relu], 1, rtol=1e-3)
    np.testing.assert_allclose(after[last], before[last], rtol=1e-3)
    new = rng.normal(0, 60, (1, 64, 96, 3)).astype(np.float32)
    old, now = (load_functions(network, a, "numpy")[0](new) for a in (arrays, balanced))
    np.testing.assert_allclose(now, old, atol=1e-3)


def test_a_layer_that_gives_nothing_stays_finite(rng, images):
    network = encoder(unet_vgg16(3, WIDTHS))
    arrays = filled(network, lambda shape: rng.normal(0, 0.1, shape))
    arrays["block3_conv1"]["kernel"][:] = 0
    arrays["block3_conv1"]["bias"][:] = 0
    balanced = balance(arrays, network, images)
    assert all(np.isfinite(a).all() for own in balanced.values() for a in own.values())
