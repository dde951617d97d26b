"""Declaration of the focus networks."""

from typing import Any, Dict

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
"""Name of the layer before the softmax; calibration divides its arrays by a temperature."""

FOCUS_PATCH_1 = Network(
    "focus-patch-1",
    inputs=(PATCH_SIZE, PATCH_SIZE, 1),
    layers=(
        # The expensive first layers run at half resolution without losing detail.
        BlocksToChannels("blocks"),
        Convolution("conv1", 24, momentum=0.99),
        Convolution("conv2", 48, stride=2, momentum=0.99),
        Convolution("conv3", 64, stride=2, momentum=0.99),
        Convolution("conv4", 96, stride=2, momentum=0.99),
        Convolution("conv5", 96, momentum=0.99),
        GlobalPooling("pooled"),
        Dense("hidden", 96),
        Dropout("dropout", 0.1),
        Dense(LOGITS, LEVELS, relu=False),
        Softmax("probabilities"),
    ),
)


def focus_patch_1(attributes: Dict[str, Any]) -> Network:
    """Return FOCUS_PATCH_1, which is the same for all weights files."""
    return FOCUS_PATCH_1


NETWORKS = {FOCUS_PATCH_1.architecture: focus_patch_1}
"""Functions that declare a network from the attributes of its weights file, by architecture."""
