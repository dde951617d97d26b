"""Number of floating-point operations of a network."""

import numpy as np

from micrograph_networks.networks.layers import (
    BlocksToChannels,
    Convolution,
    Dense,
    GlobalPooling,
    MaxPooling,
    Upsampling,
    array_shapes,
)


def operations(network, height, width):
    """Count the floating-point operations of the convolutions and products for one image.

    Parameters
    ----------
    network : Network
    height, width : int
        Size of the image.

    Returns
    -------
    int
        A multiplication and an addition count as two.
    """
    shapes, total = array_shapes(network), 0
    for layer in network.layers:
        if isinstance(layer, (MaxPooling, BlocksToChannels)):
            height, width = height // 2, width // 2
        elif isinstance(layer, Upsampling):
            height, width = 2 * height, 2 * width
        elif isinstance(layer, GlobalPooling):
            height = width = 1
        elif isinstance(layer, (Convolution, Dense)):
            stride = getattr(layer, "stride", 1)
            height, width = -(-height // stride), -(-width // stride)
            total += 2 * int(np.prod(shapes[layer.name, "kernel"])) * height * width
    return total
