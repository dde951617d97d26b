import numpy as np
import pytest

from micrograph_networks.models.weights_file import Weights, read_weights, write_weights
from segment.inference.network import (
    ARCHITECTURE,
    build_keras_model,
    fold_layers,
    inference_function,
    layer_shapes,
    set_backbone,
)


@pytest.fixture(scope="module")
def trained():
    """A network whose batch normalisation matters."""
    import keras

    keras.utils.set_random_seed(0)
    model = build_keras_model(3)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if layer.name.endswith("_bn"):
            layer.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    return model


@pytest.fixture(scope="module")
def layers(trained):
    return fold_layers(trained)


def test_inference_gives_the_numbers_of_training(trained, layers, rng):
    function = inference_function(layers)
    # Not square, and several sizes and numbers: no size is special.
    for shape in ((1, 64, 96, 3), (2, 96, 32, 3)):
        images = rng.normal(0, 60, shape).astype(np.float32)
        expected = trained.predict(images, verbose=0)
        assert expected.std() > 0.01
        np.testing.assert_allclose(function(images), expected, atol=1e-5)


def test_float16_on_disk_changes_little(layers, rng, tmp_path):
    write_weights(tmp_path / "a.h5", Weights(ARCHITECTURE, layers, {}))
    stored = read_weights(tmp_path / "a.h5", ARCHITECTURE)
    images = rng.normal(0, 60, (1, 64, 64, 3)).astype(np.float32)
    expected = inference_function(layers)(images)
    np.testing.assert_allclose(inference_function(stored.layers)(images), expected, atol=5e-3)
    assert (tmp_path / "a.h5").stat().st_size < 60e6


def test_bfloat16_changes_little(layers, rng):
    images = rng.normal(0, 60, (1, 64, 64, 3)).astype(np.float32)
    expected = inference_function(layers)(images)
    found = inference_function(layers, bfloat16=True)(images)
    assert found.dtype == np.float32
    assert 0 < np.abs(found - expected).mean() < 0.01


def test_shapes_are_those_of_the_network(layers):
    found = {(a, b): array.shape for a, arrays in layers.items() for b, array in arrays.items()}
    assert found == layer_shapes(3)


def test_backbone_is_taken_over(trained):
    backbone = {
        name: {"kernel": np.full(shape, 0.5), "bias": np.full(shape[-1], 0.25)}
        for (name, kind), shape in layer_shapes(3).items()
        if kind == "kernel" and name.startswith("block")
    }
    model = build_keras_model(2)
    set_backbone(model, backbone)
    folded = fold_layers(model)
    for name, arrays in backbone.items():
        np.testing.assert_array_equal(folded[name]["kernel"], arrays["kernel"])
        np.testing.assert_array_equal(folded[name]["bias"], arrays["bias"])
