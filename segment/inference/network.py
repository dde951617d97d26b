"""Declarations of the dark-field networks, by architecture.

They are U-Nets (Ronneberger et al. 2015) whose encoder is VGG16 (Simonyan and Zisserman 2015, Very
deep convolutional networks).
"""

import math
from dataclasses import dataclass, replace
from typing import Any, Dict, List, Tuple

from micrograph_networks.errors import UserError
from micrograph_networks.networks.layers import (
    Concatenation,
    Convolution,
    Layer,
    MaxPooling,
    Network,
    Softmax,
    Upsampling,
)

STRIDE = 32
"""Divisor of the heights and widths of tiles, required by the five poolings."""
CONVOLUTIONS = (2, 2, 3, 3, 3)
"""Numbers of convolutions in VGG16's five blocks, each followed by pooling."""
DECODER_MOMENTUM = 0.97
"""Momentum of batch normalization, low enough that its statistics follow within an epoch of a small
data set."""
LOGITS = "classes"
"""Name of the layer before the probabilities. Calibration adds offsets to its bias."""


@dataclass(frozen=True)
class Widths:
    """Channels of the network; the default is the full width.

    Attributes
    ----------
    encoder : tuple of int
        Channels of the encoder's five blocks; by default those of VGG16.
    decoder : tuple of int
        Channels of the decoder's five steps. Each doubles the size and is connected to an encoder
        block.
    """

    encoder: Tuple[int, ...] = (64, 128, 256, 512, 512)
    decoder: Tuple[int, ...] = (256, 128, 64, 32, 16)


FULL = Widths()
UNET_VGG16_1 = "segment-unet-vgg16-1"
"""Architecture of :func:`unet_vgg16` at full width."""
UNET_VGG16_2 = "segment-unet-vgg16-2"
"""Architecture of :func:`unet_vgg16` at the width that the weights file states."""
WIDEST = 4096
"""Maximum number of channels that a weights file may state."""


def whole_strides(length: float) -> int:
    """Return the next multiple of the stride."""
    return math.ceil(length / STRIDE) * STRIDE


def encoder_blocks() -> List[List[str]]:
    """Return the names of the encoder's convolutions by block, those of VGG16 in Keras."""
    return [
        [f"block{block}_conv{number}" for number in range(1, count + 1)]
        for block, count in enumerate(CONVOLUTIONS, 1)
    ]


def unet_vgg16(classes: int, widths: Widths = FULL) -> Network:
    """Declare the U-Net with VGG16 as encoder.

    Parameters
    ----------
    classes : int
        Number of classes.
    widths : Widths

    Returns
    -------
    Network
        Network from normalized images (n, h, w, 3), h and w multiples of 32, to probabilities
        (n, h, w, classes).
    """
    layers: List[Layer] = []
    for number, (names, channels) in enumerate(zip(encoder_blocks(), widths.encoder), 1):
        layers += [Convolution(name, channels) for name in names]
        layers.append(MaxPooling(f"block{number}_pool"))
    skips = [names[-1] for names in reversed(encoder_blocks())]
    for number, (channels, skip) in enumerate(zip(widths.decoder, skips), 1):
        layers += [
            Upsampling(f"up{number}"),
            Concatenation(f"up{number}_joined", skip),
            Convolution(f"up{number}_conv1", channels, momentum=DECODER_MOMENTUM),
            Convolution(f"up{number}_conv2", channels, momentum=DECODER_MOMENTUM),
        ]
    layers += [Convolution(LOGITS, classes, relu=False), Softmax("probabilities")]
    architecture = UNET_VGG16_1 if widths == FULL else UNET_VGG16_2
    return Network(architecture, (None, None, 3), tuple(layers))


def encoder(network: Network) -> Network:
    """Return the first layers of the U-Net, up to the encoder's last pooling."""
    count = len(CONVOLUTIONS) + sum(CONVOLUTIONS)
    return replace(network, layers=network.layers[:count])


def width_attributes(widths: Widths) -> Dict[str, List[int]]:
    """Return the attributes of a weights file that state the widths; none for the full width."""
    if widths == FULL:
        return {}
    return {"encoder_channels": list(widths.encoder), "decoder_channels": list(widths.decoder)}


def declared_network(attributes: Dict[str, Any]) -> Network:
    """Declare the network of a weights file by its attributes.

    These are ``class_names`` and, unless the width is full, ``encoder_channels`` and
    ``decoder_channels``. Raise UserError if they are damaged.
    """
    names = attributes.get("class_names")
    if (
        not isinstance(names, (list, tuple))
        or not all(isinstance(name, str) for name in names)
        or len(set(names)) < max(len(names), 2)
    ):
        raise UserError("It holds unusable class names: copy or train it again.")
    encoder_channels = _channels(attributes.get("encoder_channels", list(FULL.encoder)))
    decoder_channels = _channels(attributes.get("decoder_channels", list(FULL.decoder)))
    return unet_vgg16(len(names), Widths(encoder_channels, decoder_channels))


def _channels(given: Any) -> Tuple[int, ...]:
    if (
        not isinstance(given, list)
        or len(given) != len(CONVOLUTIONS)
        or not all(type(count) is int and 1 <= count <= WIDEST for count in given)
    ):
        raise UserError("It holds unusable numbers of channels: copy or train it again.")
    return tuple(given)


NETWORKS = {UNET_VGG16_1: declared_network, UNET_VGG16_2: declared_network}
"""Function that declares the network of a weights file, by architecture."""
