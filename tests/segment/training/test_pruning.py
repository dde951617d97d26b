import numpy as np
import pytest
from support import filled

from micrograph_networks.engines import load_functions
from micrograph_networks.errors import UserError
from micrograph_networks.networks.layers import Convolution
from segment.inference.network import Widths, unet_vgg16
from segment.training.pruning import prune

WIDE = Widths((6, 8, 8, 12, 12), (8, 8, 6, 6, 4))
NARROW = Widths((4, 6, 6, 8, 8), (6, 4, 4, 4, 2))


def test_channels_that_say_nothing_go_first(rng):
    wide, narrow = unet_vgg16(3, WIDE), unet_vgg16(3, NARROW)
    arrays = filled(wide, lambda shape: rng.normal(0, 0.2, shape))
    for layer, target in zip(wide.find(Convolution), narrow.find(Convolution)):
        silent = rng.permutation(layer.channels)[target.channels :]
        arrays[layer.name]["kernel"][..., silent] = 0
        arrays[layer.name]["bias"][silent] = 0
    pruned = prune(arrays, wide, narrow)
    images = rng.normal(size=(1, 64, 96, 3)).astype(np.float32)
    small, large = (
        load_functions(network, given, "numpy")[0](images)
        for network, given in ((narrow, pruned), (wide, arrays))
    )
    np.testing.assert_allclose(small, large, atol=1e-5)


def test_a_network_cannot_get_wider():
    arrays = filled(unet_vgg16(3, NARROW))
    with pytest.raises(UserError, match="4 channels in block1_conv1, but 6"):
        prune(arrays, unet_vgg16(3, NARROW), unet_vgg16(3, WIDE))
