"""Fit trained arrays to a network: choose channels, and balance the layers.

VGG16's activations are 4 to 400, depending on the layer, and the decoder's about 1. Without
balancing, the decoder's activations would be negligible beside those of the skip connections, and
a step of Adam, whose size does not depend on the gradient, too large for some kernels and too small
for others.
"""

from typing import Dict, Iterator, Tuple

import numpy as np

from micrograph_networks.engines import load_functions
from micrograph_networks.networks.computing import Arrays
from micrograph_networks.networks.layers import Concatenation, Convolution, Layer, Network
from segment.inference.network import Widths, encoder, encoder_blocks, unet_vgg16

SMALLEST_SIZE = 1e-6
"""Lower limit of the root mean square of activations, for layers that give only zeros."""


def narrowed(vgg16: Arrays, widths: Widths, images: np.ndarray) -> Arrays:
    """Choose the channels of VGG16 whose activations vary most.

    Parameters
    ----------
    vgg16 : Arrays
        Arrays of the whole encoder.
    widths : Widths
        Numbers of channels to keep.
    images : ndarray of float32, (n, height, width, 3)
        Some normalized training images.
    """
    results = layer_results(vgg16, encoder(unet_vgg16(2)), images)
    spreads = {layer.name: x.std(axis=(0, 1, 2)) for layer, x in results}
    kept, arrays = np.arange(3), {}
    for names, channels in zip(encoder_blocks(), widths.encoder):
        for name in names:
            kernel, bias = vgg16[name]["kernel"][:, :, kept], vgg16[name]["bias"]
            kept = np.sort(np.argsort(spreads[name])[-channels:])
            arrays[name] = {"kernel": kernel[..., kept], "bias": bias[kept]}
    return arrays


def balance(arrays: Arrays, network: Network, images: np.ndarray) -> Arrays:
    """Scale every layer with ReLU to activations of root mean square 1; the result stays the same.

    ReLU commutes with a positive factor, so the layers that read the activations can take it back:
    Gatys, Ecker and Bethge 2016, Image style transfer using convolutional neural networks,
    section 2.

    Parameters
    ----------
    arrays : Arrays
        Arrays without batch normalization, as weights files hold them.
    network : Network
        Network of exactly these convolutions.
    images : ndarray of float32, (n, height, width, channels)
        Some normalized training images.
    """
    balanced: Arrays = {}
    # By how much each channel of a layer's result is larger than in the balanced network.
    size = np.ones(images.shape[3], dtype=np.float32)
    sizes: Dict[str, np.ndarray] = {}
    for layer, x in layer_results(arrays, network, images):
        if isinstance(layer, Concatenation):
            size = np.concatenate([size, sizes[layer.skip]])
        if isinstance(layer, Convolution):
            kernel, bias = arrays[layer.name]["kernel"], arrays[layer.name]["bias"]
            own = max(np.sqrt(np.square(x).mean()), SMALLEST_SIZE) if layer.relu else 1
            balanced[layer.name] = {"kernel": kernel * size[:, None] / own, "bias": bias / own}
            size = np.full(layer.channels, own, dtype=np.float32)
        sizes[layer.name] = size
    return balanced


def layer_results(
    arrays: Arrays, network: Network, images: np.ndarray
) -> Iterator[Tuple[Layer, np.ndarray]]:
    """Compute a network layer by layer.

    Parameters
    ----------
    arrays : Arrays
        Arrays of the network.
    network : Network
    images : ndarray of float32, (n, height, width, channels)

    Yields
    ------
    (Layer, ndarray of float32)
        Each layer with its result, (n, height, width, channels).
    """
    skips = [layer.skip for layer in network.find(Concatenation)]
    outputs: Dict[str, np.ndarray] = {}
    x = images
    for layer in network.layers:
        if isinstance(layer, Concatenation):
            x = np.concatenate([x, outputs.pop(layer.skip)], axis=3)
        else:
            alone = Network("", (None, None, x.shape[3]), (layer,))
            x = load_functions(alone, arrays, "numpy")[0](x)
        if layer.name in skips:
            outputs[layer.name] = x
        yield layer, x
