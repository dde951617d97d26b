"""The dark-field networks, by architecture.

Ronneberger et al. 2015, U-Net; Simonyan and Zisserman 2015, Very deep convolutional networks.
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
"""Heights and widths must be multiples of this, for the five poolings."""
CONVOLUTIONS = (2, 2, 3, 3, 3)
"""Of VGG16's five blocks, each followed by pooling."""
DECODER_MOMENTUM = 0.97
"""Of batch normalization. Data sets are small: the statistics follow within an epoch."""
LOGITS = "classes"
"""The layer before the probabilities, to whose bias the calibration adds its offsets."""


@dataclass(frozen=True)
class Widths:
    """Channels of the network, full by default.

    Attributes
    ----------
    encoder : tuple of int
        Of the encoder's five blocks; VGG16's own by default.
    decoder : tuple of int
        Of the five steps up, each of which doubles the size and sees one encoder block.
    """

    encoder: Tuple[int, ...] = (64, 128, 256, 512, 512)
    decoder: Tuple[int, ...] = (256, 128, 64, 32, 16)


FULL = Widths()
UNET_VGG16_1 = "segment-unet-vgg16-1"
"""The architecture of :func:`unet_vgg16` at its full width."""
UNET_VGG16_2 = "segment-unet-vgg16-2"
"""That of another width, which the weights file tells."""
WIDEST = 4096
"""Channels that a weights file may ask for."""


def whole_strides(length: float) -> int:
    """The next multiple of the stride."""
    return math.ceil(length / STRIDE) * STRIDE


def encoder_blocks() -> List[List[str]]:
    """Names of the encoder's convolutions, block by block, as Keras's VGG16 calls them.

    Returns
    -------
    list of list of str
    """
    return [
        [f"block{block}_conv{number}" for number in range(1, count + 1)]
        for block, count in enumerate(CONVOLUTIONS, 1)
    ]


def unet_vgg16(classes: int, widths: Widths = FULL) -> Network:
    """Declare the U-Net with VGG16 as encoder.

    Parameters
    ----------
    classes : int
    widths : Widths

    Returns
    -------
    Network
        From normalized images (n, h, w, 3), h and w multiples of 32, to (n, h, w, classes).
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
    """The first layers of the U-Net, up to the encoder's last pooling."""
    count = len(CONVOLUTIONS) + sum(CONVOLUTIONS)
    return replace(network, layers=network.layers[:count])


def width_attributes(widths: Widths) -> Dict[str, List[int]]:
    """What a weights file tells of the widths; nothing where they are full."""
    if widths == FULL:
        return {}
    return {"encoder_channels": list(widths.encoder), "decoder_channels": list(widths.decoder)}


def _full(attributes: Dict[str, Any]) -> Network:
    return unet_vgg16(_classes(attributes))


def _other_width(attributes: Dict[str, Any]) -> Network:
    channels: Any = [attributes.get(f"{part}_channels") for part in ("encoder", "decoder")]
    sound = all(
        isinstance(counts, list)
        and len(counts) == len(CONVOLUTIONS)
        and all(type(count) is int and 1 <= count <= WIDEST for count in counts)
        for counts in channels
    )
    if not sound:
        raise UserError("It holds unusable numbers of channels: copy or train it again.")
    widths = Widths(tuple(channels[0]), tuple(channels[1]))
    return unet_vgg16(_classes(attributes), widths)


def _classes(attributes: Dict[str, Any]) -> int:
    """How many classes a weights file names; a damaged one may hold anything."""
    given = attributes.get("class_names")
    names = given if isinstance(given, (list, tuple)) else ()
    sound = all(isinstance(name, str) for name in names)
    if not sound or len(set(names)) < max(len(names), 2):
        raise UserError("It holds unusable class names: copy or train it again.")
    return len(names)


NETWORKS = {UNET_VGG16_1: _full, UNET_VGG16_2: _other_width}
"""What declares each network from the attributes of its weights file."""
