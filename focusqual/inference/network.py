"""The focus networks, by architecture."""

from typing import Tuple

from focusqual.inference.patches import PATCH_SIZE
from focusqual.levels import LEVELS
from micrograph_networks.networks.layers import (
    BlocksToChannels,
    Convolution,
    Dense,
    Dropout,
    GlobalPooling,
    Network,
    Softmax,
)

LOGITS = "logits"
"""The layer before the probabilities, whose arrays the calibration's temperature divides."""


def focus_patch(architecture: str, channels: Tuple[int, int, int, int, int]) -> Network:
    """Declare a network that rates patches.

    Parameters
    ----------
    architecture : str
        Its name in weights files.
    channels : tuple of five int
        Of the convolutions; the hidden layer has as many as the last.

    Returns
    -------
    Network
    """
    first, second, third, fourth, fifth = channels
    return Network(
        architecture,
        inputs=(PATCH_SIZE, PATCH_SIZE, 1),
        layers=(
            # No detail is lost, and the costly first layers run at half resolution.
            BlocksToChannels("blocks"),
            Convolution("conv1", first, momentum=0.99),
            Convolution("conv2", second, stride=2, momentum=0.99),
            Convolution("conv3", third, stride=2, momentum=0.99),
            Convolution("conv4", fourth, stride=2, momentum=0.99),
            Convolution("conv5", fifth, momentum=0.99),
            GlobalPooling("pooled"),
            Dense("hidden", fifth),
            Dropout("dropout", 0.1),
            Dense(LOGITS, LEVELS, relu=False),
            Softmax("probabilities"),
        ),
    )


FOCUS_PATCH_1 = focus_patch("focus-patch-1", (24, 48, 64, 96, 96))
FOCUS_PATCH_2 = focus_patch("focus-patch-2", (32, 56, 80, 112, 112))
"""That of new models."""

NETWORKS = {
    network.architecture: (lambda attributes, network=network: network)  # type: ignore[misc]
    for network in (FOCUS_PATCH_1, FOCUS_PATCH_2)
}
"""What declares each network from the attributes of its weights file."""
