"""The dark-field networks, by architecture.

Ronneberger et al. 2015, U-Net; Simonyan and Zisserman 2015, Very deep convolutional networks.
"""

import math
from typing import Any, Dict, List

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
ENCODER = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
"""Convolutions and channels of VGG16's five blocks, each followed by pooling."""
DECODER = (256, 128, 64, 32, 16)
"""Channels of the five steps up, each of which doubles the size and sees one encoder block."""
DECODER_MOMENTUM = 0.97
"""Of batch normalisation. Data sets are small: the statistics follow within an epoch."""
LOGITS = "classes"
"""The layer before the probabilities, to whose bias the calibration adds its offsets."""
UNET_VGG16_1 = "segment-unet-vgg16-1"
"""The architecture of :func:`unet_vgg16`."""


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
        for block, (count, _) in enumerate(ENCODER, 1)
    ]


def unet_vgg16(classes: int) -> Network:
    """Declare the U-Net with VGG16 as encoder.

    Parameters
    ----------
    classes : int

    Returns
    -------
    Network
        From normalised images (n, h, w, 3), h and w multiples of 32, to (n, h, w, classes).
    """
    layers: List[Layer] = []
    for number, (names, (_, channels)) in enumerate(zip(encoder_blocks(), ENCODER), 1):
        layers += [Convolution(name, channels) for name in names]
        layers.append(MaxPooling(f"block{number}_pool"))
    skips = [names[-1] for names in reversed(encoder_blocks())]
    for number, (channels, skip) in enumerate(zip(DECODER, skips), 1):
        layers += [
            Upsampling(f"up{number}"),
            Concatenation(f"up{number}_joined", skip),
            Convolution(f"up{number}_conv1", channels, momentum=DECODER_MOMENTUM),
            Convolution(f"up{number}_conv2", channels, momentum=DECODER_MOMENTUM),
        ]
    layers += [Convolution(LOGITS, classes, relu=False), Softmax("probabilities")]
    return Network(UNET_VGG16_1, (None, None, 3), tuple(layers))


def _declared(attributes: Dict[str, Any]) -> Network:
    """The network of a weights file, by its class names; a damaged file may hold anything."""
    given = attributes.get("class_names")
    names = given if isinstance(given, (list, tuple)) else ()
    sound = all(isinstance(name, str) for name in names)
    if not sound or len(set(names)) < max(len(names), 2):
        raise UserError("It holds unusable class names: copy or train it again.")
    return unet_vgg16(len(names))


NETWORKS = {UNET_VGG16_1: _declared}
"""What declares each network from the attributes of its weights file."""
