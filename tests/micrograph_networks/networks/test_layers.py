import pytest
from operations import operations

from micrograph_networks.networks.layers import (
    BlocksToChannels,
    Concatenation,
    Convolution,
    Dense,
    GlobalPooling,
    MaxPooling,
    Network,
    Softmax,
    Upsampling,
    array_shapes,
    output_channels,
)

NETWORK = Network(
    "toy",
    inputs=(8, 8, 3),
    layers=(
        BlocksToChannels("blocks"),
        Convolution("first", 4),
        MaxPooling("pool"),
        Convolution("deep", 6, size=5, stride=2),
        Upsampling("up"),
        Concatenation("joined", skip="pool"),
        Convolution("second", 5),
        GlobalPooling("pooled"),
        Dense("logits", 2, relu=False),
        Softmax("probabilities"),
    ),
)


def test_channels_and_shapes_follow_from_the_declaration():
    assert list(output_channels(NETWORK).values()) == [12, 4, 4, 6, 6, 10, 5, 10, 2, 2]
    kernels = {
        name: shape for (name, kind), shape in array_shapes(NETWORK).items() if kind != "bias"
    }
    assert kernels == {
        "first": (3, 3, 12, 4),
        "deep": (5, 5, 4, 6),
        "second": (3, 3, 10, 5),
        "logits": (10, 2),
    }
    assert array_shapes(NETWORK)["deep", "bias"] == (6,)


def test_operations_count_every_pixel_of_every_layer():
    first, deep, second, logits = 9 * 12 * 4 * 16, 25 * 4 * 6 * 1, 9 * 10 * 5 * 4, 10 * 2
    assert operations(NETWORK, 8, 8) == 2 * (first + deep + second + logits)


def test_what_no_engine_could_compute_is_refused():
    first, joined = Convolution("first", 4), Concatenation("joined", skip="first")
    with pytest.raises(ValueError, match="convolution of stride 1 must follow joined"):
        Network("toy", (8, 8, 3), (first, joined, Convolution("second", 4, stride=2)))
    layers = (first, joined, Convolution("second", 4), joined, Convolution("third", 4))
    with pytest.raises(ValueError, match="joined once only"):
        Network("toy", (8, 8, 3), layers)
