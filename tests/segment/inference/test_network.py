from micrograph_networks.networks.layers import MaxPooling, array_shapes, output_channels
from segment.inference.network import STRIDE, encoder_blocks, unet_vgg16


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
