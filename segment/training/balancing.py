"""Layers of equal size before a training.

VGG16 gives activations of 4 to 400, depending on the layer, and the decoder's are about 1: what the
decoder passes up would drown in what it reads beside it, and a step of Adam, whose size does not
depend on the gradient's, would be too large for some kernels and too small for others.
"""

import numpy as np

from micrograph_networks.networks.computing import Arrays
from micrograph_networks.networks.layers import Convolution, Network
from segment.training.layerwise import compute_layer, readers_of, walk

SMALLEST_SIZE = 1e-6
"""Of activations that are not all 0."""


def balance(arrays: Arrays, network: Network, images: np.ndarray) -> Arrays:
    """Scale every layer with ReLU to activations of root mean square 1; the result stays the same.

    What a ReLU gives grows with what it gets, so that the layers that read it can take the factor
    back: Gatys, Ecker and Bethge 2016, Image style transfer using convolutional neural networks,
    section 2.

    Parameters
    ----------
    arrays : Arrays
        Of a network without batch normalizations, as weights files hold them.
    network : Network
        With these convolutions alone.
    images : ndarray of float32, (n, height, width, channels)
        A few of those that it is for.

    Returns
    -------
    Arrays
    """
    readers = readers_of(network)
    read = {name: np.ones(arrays[name]["kernel"].shape[2], np.float32) for name in readers}
    balanced: Arrays = {}

    def convolve(layer: Convolution, x: np.ndarray) -> np.ndarray:
        own = arrays[layer.name]
        kernel = own["kernel"] / read[layer.name][:, None]
        result = compute_layer(layer, {layer.name: {**own, "kernel": kernel}}, x)
        factor = 1 / max(np.sqrt(np.square(result).mean()), SMALLEST_SIZE) if layer.relu else 1
        for name, start in readers[layer.name]:
            read[name][start : start + layer.channels] = factor
        balanced[layer.name] = {"kernel": kernel * factor, "bias": own["bias"] * factor}
        return result * factor

    walk(network, images, convolve)
    return balanced
