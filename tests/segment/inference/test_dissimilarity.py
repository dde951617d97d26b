import numpy as np
import pytest
from support import NARROW, filled

from segment.inference.dissimilarity import (
    ATTRIBUTE,
    LIMIT,
    REDUCTION,
    TILE,
    TextureModel,
    declared_textures,
    dissimilarity,
    load_textures,
    measure_textures,
    texture_attribute,
    usual_textures,
)
from segment.inference.network import unet_vgg16
from segment.inference.prediction import image_dissimilarity
from segment.inference.scaling import resize, scaled_shape

NETWORK = unet_vgg16(3, NARROW)


@pytest.fixture
def arrays(rng):
    return filled(NETWORK, lambda shape: rng.normal(0, 0.1, shape))


@pytest.fixture
def network(arrays):
    return load_textures(NETWORK, arrays)


def noise(rng, fineness, shape=(96, 128)):
    """Return noise with grains of ``1 / fineness`` pixels, RGB of 0 to 255."""
    small = rng.uniform(0, 255, (*scaled_shape(shape, fineness), 3)).astype(np.float32)
    return resize(small, shape)


def test_the_limit_is_a_percentile_of_the_training_images(rng):
    training = rng.normal(3, 2, (400, 8))
    usual = usual_textures(training)
    found = np.array([dissimilarity(one, usual) for one in training])
    assert 100 * np.mean(found <= 1) == pytest.approx(LIMIT, abs=0.5)
    assert dissimilarity(training.mean(axis=0), usual) == pytest.approx(0, abs=1e-6)
    assert dissimilarity(training.mean(axis=0) + 6, usual) > 2


def test_equal_training_images_have_a_limit():
    usual = usual_textures(np.ones((1, 8)))
    assert dissimilarity(np.ones(8), usual) == 0
    assert dissimilarity(np.full(8, 1.1), usual) > 1


def test_a_large_image_has_the_textures_of_its_tiles(network, rng):
    small = noise(rng, 0.5, (TILE, TILE))
    large = np.tile(small, (2, 3, 1))
    expected = measure_textures(small, network)
    assert expected.shape == (NARROW.encoder[1],)
    np.testing.assert_allclose(measure_textures(large, network), expected, rtol=1e-5)


def test_images_of_another_texture_are_above_the_limit(network, rng):
    def textures(fineness):
        scaled = [noise(rng, fineness) for _ in range(20)]
        reduced = [resize(one, scaled_shape(one.shape, REDUCTION)) for one in scaled]
        return np.array([measure_textures(one, network) for one in reduced])

    usual = usual_textures(textures(0.2))

    def values(fineness):
        return [dissimilarity(one, usual) for one in textures(fineness)]

    assert np.median(values(0.2)) < 1 < np.min(values(1))


def test_exposure_changes_nothing_and_small_images_have_a_value(network, rng):
    usual = usual_textures(rng.normal(1, 0.1, (20, NARROW.encoder[1])))
    model = type("Model", (), {"textures": TextureModel(network, usual)})
    image = noise(rng, 0.5).astype(np.uint8)
    expected = image_dissimilarity(image, model, 1.0)
    assert image_dissimilarity(image.astype(np.uint16) * 16, model, 1.0) == pytest.approx(
        expected, rel=0.01
    )
    for shape in ((1, 1), (1, 300), (2, 2, 3)):
        assert image_dissimilarity(np.zeros(shape), model, 1.0) >= 0
    model.textures = None
    assert np.isnan(image_dissimilarity(image, model, 1.0))


def test_textures_survive_a_weights_file(rng):
    usual = usual_textures(rng.normal(1, 0.1, (20, NARROW.encoder[1])))
    read = declared_textures({ATTRIBUTE: texture_attribute(usual)}, NETWORK)
    for one, other in zip(usual, read):
        np.testing.assert_array_equal(one, other)
    assert declared_textures({}, NETWORK) is None
