"""Layers one by one: a network's convolutions computed by a function, and who reads them."""

from typing import Callable, Dict, List, Tuple

import numpy as np

from micrograph_networks.engines import load_functions
from micrograph_networks.networks.computing import Arrays
from micrograph_networks.networks.layers import Concatenation, Convolution, Layer, Network


def walk(
    network: Network, x: np.ndarray, convolve: Callable[[Convolution, np.ndarray], np.ndarray]
) -> None:
    """Compute a network, its convolutions by a function.

    Parameters
    ----------
    network : Network
    x : ndarray of float32, (n, height, width, channels)
    convolve : callable
        The result of a convolution, from what it reads.
    """
    skips = {layer.skip for layer in network.find(Concatenation)}
    joined: Dict[str, np.ndarray] = {}
    for layer in network.layers:
        if isinstance(layer, Convolution):
            x = convolve(layer, x)
        elif isinstance(layer, Concatenation):
            x = np.concatenate([x, joined.pop(layer.skip)], axis=3)
        else:
            x = compute_layer(layer, {}, x)
        if layer.name in skips:
            joined[layer.name] = x


def compute_layer(layer: Layer, arrays: Arrays, x: np.ndarray) -> np.ndarray:
    """The result of a layer alone.

    Parameters
    ----------
    layer : Layer
    arrays : Arrays
        Its own among others, if it has any.
    x : ndarray of float32, (n, height, width, channels)
        What it reads.

    Returns
    -------
    ndarray of float32
    """
    alone = Network("", (None, None, x.shape[3]), (layer,))
    return load_functions(alone, arrays, "numpy")[0](x)


def readers_of(network: Network) -> Dict[str, List[Tuple[str, int]]]:
    """Of each convolution those that read it, and which of their inputs is its first channel.

    Parameters
    ----------
    network : Network

    Returns
    -------
    dict of str to list of (str, int)
        By the names of all convolutions.
    """
    readers: Dict[str, List[Tuple[str, int]]] = {}
    channels = {layer.name: layer.channels for layer in network.find(Convolution)}
    current: Tuple[str, ...] = ()
    for layer in network.layers:
        if isinstance(layer, Convolution):
            start = 0
            for name in current:
                readers[name].append((layer.name, start))
                start += channels[name]
            current = (layer.name,)
            readers[layer.name] = []
        elif isinstance(layer, Concatenation):
            current += (layer.skip,)
    return readers
