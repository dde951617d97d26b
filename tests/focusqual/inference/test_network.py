import numpy as np
import pytest

from focusqual.inference.network import (
    build_keras_model,
    fold_layers,
    inference_function,
    layer_shapes,
    unfold_layers,
)


@pytest.fixture(scope="module")
def trained():
    """A network that has seen enough batches for batch normalisation to matter."""
    model = build_keras_model()
    model.compile("adam", loss={"probabilities": "sparse_categorical_crossentropy"})
    rng = np.random.default_rng(0)
    patches = rng.normal(0.3, 2, (64, 84, 84, 1)).astype(np.float32)
    model.fit(patches, {"probabilities": rng.integers(0, 11, 64)}, epochs=2, verbose=0)
    return model


def test_inference_gives_the_numbers_of_training(trained, rng):
    patches = rng.normal(size=(7, 84, 84)).astype(np.float32)
    expected = trained.predict(patches[..., None], verbose=0)
    layers = fold_layers(trained, temperature=1.0)
    probabilities = inference_function(layers)(patches)
    np.testing.assert_allclose(probabilities, expected["probabilities"], atol=1e-5)
    np.testing.assert_allclose(expected["cumulative"], probabilities.cumsum(axis=1), atol=1e-5)
    assert {(a, b): v.shape for a, c in layers.items() for b, v in c.items()} == layer_shapes()


def test_temperature_divides_the_logits(trained, rng):
    patches = rng.normal(size=(7, 84, 84)).astype(np.float32)
    logits = trained.predict(patches[..., None], verbose=0)["logits"] / 2.5
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    probabilities = inference_function(fold_layers(trained, temperature=2.5))(patches)
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)


def test_any_number_of_patches_runs_without_tracing_again(trained):
    function = inference_function(fold_layers(trained, 1.0))
    for count in (1, 3, 2):
        assert function(np.zeros((count, 84, 84), np.float32)).shape == (count, 11)


def test_it_costs_an_eighth_of_the_2018_network():
    operations, side = 0, 42
    for name, stride in (("conv1", 1), ("conv2", 2), ("conv3", 2), ("conv4", 2), ("conv5", 1)):
        side = -(-side // stride)
        operations += 2 * side**2 * np.prod(layer_shapes()[name, "kernel"])
    assert operations / 84**2 < 35_000 / 8


def test_training_goes_on_from_folded_arrays(trained, rng):
    patches = rng.normal(0.3, 2, (64, 84, 84, 1)).astype(np.float32)
    expected = trained.predict(patches, verbose=0)["probabilities"]
    model = build_keras_model()
    unfold_layers(model, fold_layers(trained, temperature=1.0), patches)
    found = model.predict(patches, verbose=0)["probabilities"]
    np.testing.assert_allclose(found, expected, atol=1e-5)
