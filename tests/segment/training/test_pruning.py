import numpy as np
import pytest
from support import filled

from micrograph_networks.engines import load_functions
from micrograph_networks.errors import UserError
from micrograph_networks.networks.layers import Convolution
from segment.inference.network import Widths, encoder, unet_vgg16
from segment.training import pruning
from segment.training.pruning import prune

WIDE = Widths((8, 12, 12, 16, 16), (12, 8, 8, 8, 4))
NARROW = Widths((4, 6, 6, 8, 8), (6, 4, 4, 4, 2))


@pytest.fixture
def images(rng):
    return rng.normal(size=(8, 64, 96, 3)).astype(np.float32)


def logits(network, arrays, images):
    """Up to a sum."""
    return np.log(load_functions(network, arrays, "numpy")[0](images))


def test_channels_that_say_nothing_go_first(rng, images):
    wide, narrow = unet_vgg16(3, WIDE), unet_vgg16(3, NARROW)
    arrays = filled(wide, lambda shape: rng.normal(float(len(shape) == 1), 0.1, shape))
    for layer, target in zip(wide.find(Convolution), narrow.find(Convolution)):
        silent = rng.permutation(layer.channels)[target.channels :]
        arrays[layer.name]["kernel"][..., silent] = 0
        arrays[layer.name]["bias"][silent] = 0
    pruned = prune(arrays, wide, narrow, lambda: images)
    new = rng.normal(size=(1, 64, 96, 3)).astype(np.float32)
    small, large = logits(narrow, pruned, new), logits(wide, arrays, new)
    np.testing.assert_allclose(small, large, atol=0.05)


def test_what_a_lost_channel_told_is_read_from_its_like(rng, images, monkeypatch):
    wide, narrow = unet_vgg16(3, WIDE), unet_vgg16(3, NARROW)
    arrays = filled(wide, lambda shape: rng.normal(float(len(shape) == 1), 0.1, shape))
    for layer in wide.find(Convolution)[:-1]:
        order = rng.permutation(layer.channels)
        for array in arrays[layer.name].values():
            one, other = np.split(order, 2)
            array[..., other] = array[..., one] * rng.uniform(0.5, 1.5)
    new = rng.normal(size=(2, 64, 96, 3)).astype(np.float32)
    large = logits(wide, arrays, new)

    def error():
        return np.std(logits(narrow, prune(arrays, wide, narrow, lambda: images), new) - large)

    assert error() < 0.05 * large.std()
    monkeypatch.setattr(pruning, "RIDGE", 1e9)  # the old kernels, as they are
    assert error() > 0.15 * large.std()


def test_negative_values_before_a_relu_may_be_any(rng):
    rows = rng.normal(size=(4000, 3)).astype(np.float32)
    wanted = rows @ np.float32([[1], [2], [0]])
    wanted = np.where(wanted > 0, wanted, 10 * wanted)
    found = pruning.least_squares(rows, np.zeros((4, 1), np.float32), wanted, rounds=200)
    np.testing.assert_allclose(found.ravel(), [1, 2, 0, 0], atol=0.2)


def test_as_many_channels_stay_as_they_are():
    wide = unet_vgg16(3, WIDE)
    arrays = filled(wide)
    assert prune(arrays, wide, wide, pytest.fail) is arrays
    assert prune(arrays, encoder(wide), encoder(wide), pytest.fail) is arrays


def test_an_encoder_gets_narrower_alone(rng, images):
    wide, narrow = (encoder(unet_vgg16(2, widths)) for widths in (WIDE, NARROW))
    arrays = filled(wide, lambda shape: rng.normal(0, 0.2, shape))
    pruned = prune(arrays, wide, narrow, lambda: images)
    assert pruned["block5_conv3"]["kernel"].shape == (3, 3, 8, 8)


def test_a_network_cannot_get_wider():
    arrays = filled(unet_vgg16(3, NARROW))
    with pytest.raises(UserError, match="4 channels in block1_conv1, but 8"):
        prune(arrays, unet_vgg16(3, NARROW), unet_vgg16(3, WIDE), pytest.fail)
