from micrograph_networks.networks.layers import MaxPooling, array_shapes, output_channels
from segment.inference.network import (
    STRIDE,
    UNET_VGG16_2,
    Widths,
    declared_network,
    encoder_blocks,
    unet_vgg16,
    width_attributes,
)


def test_the_encoder_is_vgg16():
    shapes = array_shapes(unet_vgg16(3))
    channels = [shapes[name, "bias"][0] for block in encoder_blocks() for name in block]
    assert channels == [64] * 2 + [128] * 2 + [256] * 3 + [512] * 6


def test_every_step_up_is_connected_to_a_block_of_the_encoder():
    channels = output_channels(unet_vgg16(3))
    joined = [channels[f"up{step}_joined"] for step in range(1, 6)]
    assert joined == [512 + 512, 256 + 512, 128 + 256, 64 + 128, 32 + 64]
    assert channels["probabilities"] == 3


def test_the_stride_is_that_of_the_poolings():
    assert 2 ** len(unet_vgg16(2).find(MaxPooling)) == STRIDE


def test_a_weights_file_states_another_width():
    narrow = Widths((4, 6, 8, 12, 12), (8, 8, 6, 6, 4))
    network = unet_vgg16(2, narrow)
    attributes = {"class_names": ["nothing", "platelet"], **width_attributes(narrow)}
    assert network.architecture == UNET_VGG16_2
    assert declared_network(attributes) == network
    assert width_attributes(Widths()) == {}
