"""The trained model and every engine give the same numbers, for all networks of our products."""

import numpy as np
import pytest
from support import NARROW, filled

from focusqual.inference.network import FOCUS_PATCH_1
from micrograph_networks.engines import ENGINE_NAMES, load_functions
from micrograph_networks.networks.layers import array_shapes
from micrograph_networks.training.keras_models import build_keras_model, folded_arrays, set_arrays
from segment.inference.network import unet_vgg16

NETWORKS = {"focus": FOCUS_PATCH_1, "unet": unet_vgg16(3, NARROW)}


@pytest.fixture(scope="module", params=list(NETWORKS))
def network(request):
    return NETWORKS[request.param]


@pytest.fixture(scope="module")
def trained(network):
    """A model whose batch normalization matters."""
    import keras

    keras.utils.set_random_seed(0)
    model = build_keras_model(network)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if layer.name.endswith("_bn"):
            layer.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    return model


@pytest.fixture
def images(network, rng):
    """Three images, not square if the network allows it."""
    height, width, channels = network.inputs
    return rng.normal(0, 2, (3, height or 64, width or 96, channels)).astype(np.float32)


@pytest.mark.parametrize("engine", ENGINE_NAMES)
def test_inference_gives_the_numbers_of_training(network, trained, images, engine):
    arrays = folded_arrays(trained, network)
    function = load_functions(network, arrays, engine)[-1]
    for chosen in (images, images[:1]):
        expected = trained.predict(chosen, verbose=0)
        assert expected.std() > 0.01
        np.testing.assert_allclose(function(chosen), expected, atol=2e-5)


def test_folded_arrays_have_the_shapes_of_the_network(network, trained):
    arrays = folded_arrays(trained, network)
    found = {(a, b): array.shape for a, of_a in arrays.items() for b, array in of_a.items()}
    assert found == array_shapes(network)


@pytest.fixture
def arrays(network):
    """Random arrays that keep the spread of a layer's input; biases are of the same order."""
    rng = np.random.default_rng(1)
    return filled(network, lambda shape: rng.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape))


def test_training_continues_from_the_arrays_of_inference(network, arrays, images):
    for layer in arrays.values():
        layer["kernel"] *= 1e-4
    model = build_keras_model(network)
    new = {layer.name: layer.get_weights()[0] for layer in model.layers if layer.get_weights()}
    set_arrays(model, network, arrays, images)
    folded = folded_arrays(model, network)
    for name, expected in arrays.items():
        np.testing.assert_allclose(folded[name]["kernel"], expected["kernel"], rtol=1e-3)
        np.testing.assert_allclose(folded[name]["bias"], expected["bias"], atol=1e-4)
        if f"{name}_bn" in new:  # kernels before a normalization are as large as new ones
            kernel = model.get_layer(name).get_weights()[0]
            np.testing.assert_allclose(kernel.std(), new[name].std(), rtol=0.1)


@pytest.mark.parametrize("network", ["focus"], indirect=True)
def test_training_in_bfloat16_normalizes_by_the_same_statistics(network, arrays, images):
    import keras

    found = {}
    for policy in ("float32", "mixed_bfloat16"):
        keras.mixed_precision.set_global_policy(policy)
        try:
            model = build_keras_model(network)
            set_arrays(model, network, arrays, images)
        finally:
            keras.mixed_precision.set_global_policy("float32")
        normalizations = [layer for layer in model.layers if layer.name.endswith("_bn")]
        found[policy] = [np.sqrt(layer.get_weights()[3]) for layer in normalizations]
    assert found["float32"]
    for expected, spread in zip(*found.values()):
        np.testing.assert_allclose(spread, expected, rtol=0.05)
