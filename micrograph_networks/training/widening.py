"""A wider network that begins as a trained one."""

from typing import Tuple

import numpy as np

from micrograph_networks.networks.computing import Arrays
from micrograph_networks.networks.layers import (
    BlocksToChannels,
    Convolution,
    Dense,
    GlobalPooling,
    Layer,
    Network,
    array_shapes,
    output_channels,
)


def widened(arrays: Arrays, network: Network, wide: Network, seed: int) -> Arrays:
    """Add channels that nothing reads yet, so that the wider network computes the same.

    As Chen, Goodfellow and Shlens 2016 do (Net2Net: accelerating learning via knowledge transfer),
    but the new channels are drawn at random, as those of a new network, where theirs are copies.

    Parameters
    ----------
    arrays : Arrays
        Of the trained network, as weights files hold them.
    network, wide : Network
        The same layers, without concatenations, and no fewer channels in the wide one.
    seed : int
        Of the kernels of new channels.

    Returns
    -------
    Arrays
        Of the wide network; the same ones where it has as many channels.
    """
    rng = np.random.default_rng(seed)
    shapes, channels = array_shapes(wide), output_channels(wide)
    found: Arrays = {}
    # Where the wide network has the channels that a layer of the trained one reads.
    read, width = np.arange(network.inputs[2]), wide.inputs[2]
    for layer in wide.layers:
        if layer.name in arrays:
            given = arrays[layer.name]
            count = len(given["bias"])
            kernel = _random_kernel(rng, shapes[layer.name, "kernel"])
            kernel[..., :count] = 0
            kernel[..., read, :count] = given["kernel"]
            added = channels[layer.name] - count
            found[layer.name] = {"kernel": kernel, "bias": np.pad(given["bias"], (0, added))}
        read, width = _written(layer, read, width, arrays), channels[layer.name]
    return found


def _written(layer: Layer, read: np.ndarray, width: int, arrays: Arrays) -> np.ndarray:
    """Where a layer puts the channels of the trained network; ``width`` is that of its input."""
    if isinstance(layer, (Convolution, Dense)):
        return np.arange(len(arrays[layer.name]["bias"]))
    copies = {BlocksToChannels: 4, GlobalPooling: 2}.get(type(layer), 1)
    return np.concatenate([copy * width + read for copy in range(copies)])


def _random_kernel(rng: np.random.Generator, shape: Tuple[int, ...]) -> np.ndarray:
    """Glorot and Bengio 2010, Understanding the difficulty of training, equation 16."""
    window = int(np.prod(shape[:-2]))
    limit = np.sqrt(6 / (window * (shape[-2] + shape[-1])))
    return rng.uniform(-limit, limit, shape).astype(np.float32)
