import pytest

from micrograph_networks.errors import UserError
from micrograph_networks.networks.layers import MaxPooling, array_shapes, output_channels
from segment.inference.network import (
    NETWORKS,
    STRIDE,
    UNET_VGG16_2,
    Widths,
    encoder_blocks,
    unet_vgg16,
    width_attributes,
)


def test_the_encoder_is_vgg16():
    shapes = array_shapes(unet_vgg16(3))
    channels = [shapes[name, "bias"][0] for block in encoder_blocks() for name in block]
    assert channels == [64] * 2 + [128] * 2 + [256] * 3 + [512] * 6


def test_every_step_up_sees_a_block_of_the_encoder():
    channels = output_channels(unet_vgg16(3))
    joined = [channels[f"up{step}_joined"] for step in range(1, 6)]
    assert joined == [512 + 512, 256 + 512, 128 + 256, 64 + 128, 32 + 64]
    assert channels["probabilities"] == 3


def test_the_stride_is_that_of_the_poolings():
    assert 2 ** len(unet_vgg16(2).find(MaxPooling)) == STRIDE


NARROW = Widths((4, 6, 8, 12, 12), (8, 8, 6, 6, 4))
NAMES = {"class_names": ["nothing", "platelet"]}


def test_a_weights_file_tells_another_width():
    network = unet_vgg16(2, NARROW)
    assert network.architecture == UNET_VGG16_2
    assert NETWORKS[UNET_VGG16_2]({**NAMES, **width_attributes(NARROW)}) == network
    assert width_attributes(Widths()) == {}


@pytest.mark.parametrize("channels", [None, [4, 6], [0, 1, 1, 1, 1], [1e9] * 5, ["4"] * 5])
def test_a_damaged_width_is_said(channels):
    attributes = {**NAMES, **width_attributes(NARROW), "encoder_channels": channels}
    with pytest.raises(UserError, match="channels"):
        NETWORKS[UNET_VGG16_2](attributes)
