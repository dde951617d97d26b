"""A narrower network out of a trained one."""

from typing import Dict, Tuple

import numpy as np

from micrograph_networks.errors import UserError
from micrograph_networks.networks.computing import Arrays
from micrograph_networks.networks.layers import Concatenation, Convolution, Network


def prune(arrays: Arrays, network: Network, narrow: Network) -> Arrays:
    """Keep those channels of every layer that weigh most.

    The weight of a channel is the product of the mean magnitudes of the kernels that make it and
    of those that read it (Li et al. 2017, Pruning filters for efficient ConvNets, section 3.1, has
    the first alone).

    Parameters
    ----------
    arrays : Arrays
        Of a network without batch normalisations, as weights files hold them.
    network, narrow : Network
        The same layers, with no more channels in the narrow one; what follows them is left out.

    Returns
    -------
    Arrays
        Of the narrow network's first layers.

    Raises
    ------
    UserError
        It has more channels.
    """
    read = _read_magnitudes(arrays, network)
    kept: Dict[str, np.ndarray] = {}
    current, pruned = np.arange(network.inputs[2]), {}
    offset = network.inputs[2]
    for layer, target in zip(network.layers, narrow.layers):
        if isinstance(layer, Convolution):
            kernel, bias = arrays[layer.name]["kernel"], arrays[layer.name]["bias"]
            assert isinstance(target, Convolution)
            if target.channels > layer.channels:
                raise UserError(
                    f"The model to start from has {layer.channels} channels in {layer.name}, but "
                    f"{target.channels} are wanted: choose a wider model, or none."
                )
            weight = np.abs(kernel[:, :, current]).mean(axis=(0, 1, 2))
            weight = weight * read.get(layer.name, np.ones(layer.channels))
            chosen = np.sort(np.argsort(-weight, kind="stable")[: target.channels])
            pruned[layer.name] = {
                "kernel": kernel[:, :, current][..., chosen],
                "bias": bias[chosen],
            }
            current, offset = chosen, layer.channels
        elif isinstance(layer, Concatenation):
            current = np.concatenate([current, offset + kept[layer.skip]])
        kept[layer.name] = current
    return pruned


def _read_magnitudes(arrays: Arrays, network: Network) -> Dict[str, np.ndarray]:
    """Mean magnitude with which the channels of each convolution are read, by its name."""
    read: Dict[str, np.ndarray] = {}
    made: Dict[str, Tuple[Tuple[str, int], ...]] = {}
    current: Tuple[Tuple[str, int], ...] = ()
    for layer in network.layers:
        if isinstance(layer, Convolution):
            kernel, start = np.abs(arrays[layer.name]["kernel"]).mean(axis=(0, 1, 3)), 0
            for name, channels in current:
                part = kernel[start : start + channels]
                read[name] = read.get(name, np.zeros(channels)) + part
                start += channels
            current = ((layer.name, layer.channels),)
        elif isinstance(layer, Concatenation):
            current += made[layer.skip]
        made[layer.name] = current
    return read
