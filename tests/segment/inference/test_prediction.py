from types import SimpleNamespace

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.ndimage import uniform_filter
from support import cell_model

from micrograph_networks.models.batching import BatchRunner
from segment.inference.model import TILE_SIZES
from segment.inference.network import STRIDE
from segment.inference.prediction import mean_of_views, predict_probabilities
from segment.inference.tiling import UNSEEN


def local_network(images):
    """Predict classes from the brightness nearby, pooled by the stride as in the true network."""
    _, height, width, _ = images.shape
    assert height % STRIDE == width % STRIDE == 0
    blocks = images[0, :, :, 0].reshape(height // STRIDE, STRIDE, width // STRIDE, STRIDE)
    pooled = np.kron(blocks.max(axis=(1, 3)), np.ones((STRIDE, STRIDE)))
    near = uniform_filter(images[0, :, :, 1], 2 * (UNSEEN - STRIDE) + 1, mode="constant")
    logits = np.stack([0 * near, pooled / 200, near / 20], axis=-1)
    exponentials = np.exp(logits)
    return (exponentials / exponentials.sum(axis=-1, keepdims=True))[None].astype(np.float32)


def model(network=local_network):
    return in_tiles_of(TILE_SIZES, SimpleNamespace(network=network, classes=("a", "b", "c")))


def in_tiles_of(sizes, model):
    """Return the same model with tiles of other sizes."""
    tiles = BatchRunner("tiles of {0}x{0} pixels", sizes, [model.network])
    return SimpleNamespace(**{**vars(model), "tiles": tiles})


def predict_in_tiles(size, image, model, scale=1.0):
    return predict_probabilities(image, in_tiles_of([size], model), scale)


def untiled(*arguments):
    return predict_in_tiles(10**6, *arguments)


@settings(max_examples=10)
@given(st.integers(1, 800), st.integers(1, 800), st.sampled_from([384, 416]))
@example(1100, 300, 640)
def test_tiles_leave_no_trace(height, width, tile):
    image = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    found = predict_in_tiles(tile, image, model())
    np.testing.assert_allclose(found, untiled(image, model()), atol=1e-5)


@settings(max_examples=10)
@given(st.integers(1, 400), st.integers(1, 400), st.floats(0.3, 2), st.just(384))
@example(300, 250, 3.0, 640)
def test_the_result_has_the_images_size_at_every_scale(height, width, scale, tile):
    image = np.random.default_rng(0).random((height, width))
    found = predict_in_tiles(tile, image, model(), scale)
    assert found.shape == (height, width, 3)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.sum(axis=2), 1, atol=1e-5)
    np.testing.assert_allclose(found, untiled(image, model(), scale), atol=1e-4)


def test_the_true_network_sees_no_tiles(random_weights, rng):
    loaded = cell_model(random_weights)
    network = loaded.tiles.run(lambda network, size: network)
    true = SimpleNamespace(network=network, **vars(loaded))
    image = rng.integers(0, 255, (300, 430, 3), dtype=np.uint8)
    expected = predict_probabilities(image, true, 1.0)
    assert expected.std(axis=(0, 1)).min() > 0.01
    tiled = predict_in_tiles(384, image, true)
    np.testing.assert_allclose(tiled, expected, atol=1e-3)


def test_the_image_is_brought_to_the_working_scale():
    seen = []

    def network(images):
        seen.append(images.shape)
        return np.full((*images.shape[:3], 3), 1 / 3, np.float32)

    predict_probabilities(np.zeros((50, 200)), model(network), 0.5)
    predict_probabilities(np.zeros((50, 200)), model(network), 2.0)
    assert seen == [(1, 32, 128, 3), (1, 128, 416, 3)]


def test_short_memory_makes_the_tiles_smaller(out_of_memory, rng):
    def network(images):
        return out_of_memory() if images[..., 0].size > 448**2 else local_network(images)

    image = rng.integers(0, 255, (1100, 300, 3), dtype=np.uint8)
    found = predict_probabilities(image, model(network), 1.0)
    np.testing.assert_allclose(found, untiled(image, model()), atol=1e-5)


def test_mirrored_images_have_mirrored_probabilities(rng):
    image = rng.integers(0, 255, (64, 96, 3)).astype(np.uint8)

    def sided(images):
        """Predict as local_network, with more certainty to the right and to the bottom."""
        ramps = np.add.outer(*(np.linspace(0, 0.5, length) for length in images.shape[1:3]))
        return local_network(images) * ramps[None, :, :, None] + (1 - ramps)[None, :, :, None] / 3

    found = mean_of_views(image, model(sided), 1.0)
    np.testing.assert_allclose(found.sum(axis=2), 1, atol=1e-5)
    assert np.abs(found - predict_probabilities(image, model(sided), 1.0)).max() > 0.05
    for axis in (0, 1):
        mirrored = mean_of_views(np.flip(image, axis), model(sided), 1.0)
        np.testing.assert_allclose(np.flip(mirrored, axis), found, atol=1e-5)
