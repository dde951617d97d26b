"""In which order the layers of a network are computed, so that little is held in memory.

For every engine: it brings operations on its own arrays, see :class:`Operations`.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Dict, List, NamedTuple, Optional

import numpy as np

from micrograph_networks.networks.layers import (
    BlocksToChannels,
    Concatenation,
    Convolution,
    Dense,
    GlobalPooling,
    Layer,
    MaxPooling,
    Network,
    Softmax,
    Upsampling,
    output_channels,
)

Arrays = Dict[str, Dict[str, np.ndarray]]
"""``kernel`` and ``bias`` of layers by name, float32, of the shapes that array_shapes gives."""


class Operations:
    """What an engine does with its own arrays, (n, height, width, channels) or (n, channels)."""

    def constant(self, array: np.ndarray) -> Any:
        """A kernel or a bias in the engine's form."""
        raise NotImplementedError

    def convolve(self, x: Any, kernel: Any, stride: int, bias: Any, added: Any, relu: bool) -> Any:
        """A convolution, plus the bias and an array of the result's shape where not None."""
        raise NotImplementedError

    def multiply(self, x: Any, kernel: Any, bias: Any, relu: bool) -> Any:
        """A product with a matrix, plus the bias."""
        raise NotImplementedError

    def blocks_to_channels(self, x: Any) -> Any:
        """2x2 pixels as channels: top left, top right, bottom left, bottom right."""
        raise NotImplementedError

    def max_pool(self, x: Any) -> Any:
        """The maximum of 2x2 pixels; an odd last row or column is left out."""
        raise NotImplementedError

    def upsample(self, x: Any) -> Any:
        """Every pixel as 2x2 pixels."""
        raise NotImplementedError

    def global_pool(self, x: Any) -> Any:
        """Means over the pixels, and behind them the maxima."""
        raise NotImplementedError

    def softmax(self, x: Any) -> Any:
        """Probabilities, float32, along the channels."""
        raise NotImplementedError

    def after(self, x: Any) -> AbstractContextManager:
        """A context in which nothing is computed before ``x``."""
        return nullcontext()


class Step(NamedTuple):
    """A layer that is ready to be computed.

    Attributes
    ----------
    layer : Layer
    kernel, bias : object
        In the engine's form; None where the layer has none.
    ahead : Step or None
        The part of a later convolution that takes this layer's result, by a concatenation.
    """

    layer: Layer
    kernel: Any = None
    bias: Any = None
    ahead: Optional["Step"] = None


def prepare(network: Network, arrays: Arrays, operations: Operations) -> List[Step]:
    """Give the layers their arrays in the engine's form.

    A convolution behind a concatenation is computed in two parts, whose results are added: the
    joined layer's part at once when that layer is there. Its result has far fewer channels, so that
    the layer, often the largest array of all, is neither kept nor copied.

    Parameters
    ----------
    network : Network
    arrays : Arrays
    operations : Operations

    Returns
    -------
    list of Step
    """
    channels, ahead, steps = output_channels(network), {}, []
    for before, layer in zip((None, *network.layers), network.layers):
        if layer.name not in arrays:
            steps.append(Step(layer))
            continue
        kernel, bias = arrays[layer.name]["kernel"], operations.constant(arrays[layer.name]["bias"])
        if isinstance(before, Concatenation):
            own = channels[before.name] - channels[before.skip]
            ahead[before.skip] = Step(layer, operations.constant(kernel[:, :, own:]), bias)
            kernel, bias = kernel[:, :, :own], None
        steps.append(Step(layer, operations.constant(kernel), bias))
    return [step._replace(ahead=ahead.get(step.layer.name)) for step in steps]


def compute(steps: List[Step], operations: Operations, x: Any) -> Any:
    """Compute a network.

    Parameters
    ----------
    steps : list of Step
        Of :func:`prepare`.
    operations : Operations
    x : object
        Images in the engine's form.

    Returns
    -------
    object
        The result of the last layer.
    """
    parts: Dict[str, Any] = {}
    part = None
    for step in steps:
        # A joined layer is freed before the next array is made.
        with nullcontext() if part is None else operations.after(part):
            x = _result(step, operations, x, parts.pop(step.layer.name, None))
        part = None
        if step.ahead:
            later = step.ahead
            part = operations.convolve(x, later.kernel, 1, later.bias, None, relu=False)
            parts[later.layer.name] = part
    return x


def _result(step: Step, operations: Operations, x: Any, part: Any) -> Any:
    """The result of a layer; ``part`` is the one that was computed ahead, if any."""
    layer = step.layer
    if isinstance(layer, Convolution):
        return operations.convolve(x, step.kernel, layer.stride, step.bias, part, layer.relu)
    if isinstance(layer, Dense):
        return operations.multiply(x, step.kernel, step.bias, layer.relu)
    plain = {
        BlocksToChannels: operations.blocks_to_channels,
        MaxPooling: operations.max_pool,
        Upsampling: operations.upsample,
        GlobalPooling: operations.global_pool,
        Softmax: operations.softmax,
    }
    # What a concatenation joins has been computed ahead, and a dropout is of training alone.
    return plain[type(layer)](x) if type(layer) in plain else x
