"""Compute a network layer by layer with little memory, for any engine."""

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
"""``kernel`` and ``bias`` by name of the layer, float32, with the shapes of array_shapes."""


class Operations:
    """Operations of an engine on its own arrays, (n, height, width, channels) or (n, channels)."""

    def constant(self, array: np.ndarray) -> Any:
        """Return a kernel or bias as an array of the engine."""
        raise NotImplementedError

    def convolve(self, x: Any, kernel: Any, stride: int, bias: Any, added: Any, relu: bool) -> Any:
        """Convolve, and add the bias and an array of the result's shape unless they are None."""
        raise NotImplementedError

    def multiply(self, x: Any, kernel: Any, bias: Any, relu: bool) -> Any:
        """Multiply by a matrix and add the bias."""
        raise NotImplementedError

    def blocks_to_channels(self, x: Any) -> Any:
        """Turn 2x2 pixels into channels: top left, top right, bottom left, bottom right."""
        raise NotImplementedError

    def max_pool(self, x: Any) -> Any:
        """Take the maximum of 2x2 pixels, without an odd last row or column."""
        raise NotImplementedError

    def upsample(self, x: Any) -> Any:
        """Repeat every pixel as 2x2 pixels."""
        raise NotImplementedError

    def global_pool(self, x: Any) -> Any:
        """Concatenate the means over all pixels and the maxima."""
        raise NotImplementedError

    def softmax(self, x: Any) -> Any:
        """Return probabilities along the channels, float32."""
        raise NotImplementedError

    def after(self, x: Any) -> AbstractContextManager:
        """Return a context in which nothing is computed before ``x``."""
        return nullcontext()


class Step(NamedTuple):
    """A layer that is ready to be computed.

    Attributes
    ----------
    layer : Layer
    kernel, bias : object
        Arrays of the engine; None for a layer without them.
    ahead : Step or None
        Part of a later convolution that takes this layer's result through a concatenation.
    """

    layer: Layer
    kernel: Any = None
    bias: Any = None
    ahead: Optional["Step"] = None


def prepare(network: Network, arrays: Arrays, operations: Operations) -> List[Step]:
    """Convert the arrays of a network to those of an engine.

    A convolution after a concatenation is computed in two parts, whose results are added. The part
    of the joined layer is computed as soon as that layer is there. Its result has far fewer
    channels, so the joined layer, often the largest array of all, is neither kept nor copied.
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
        Result of :func:`prepare`.
    operations : Operations
    x : object
        Images as an array of the engine.

    Returns
    -------
    object
        Result of the last layer.
    """
    parts: Dict[str, Any] = {}
    part = None
    for step in steps:
        # A joined layer is freed before the next array is created.
        with nullcontext() if part is None else operations.after(part):
            x = _result(step, operations, x, parts.pop(step.layer.name, None))
        part = None
        if step.ahead:
            later = step.ahead
            part = operations.convolve(x, later.kernel, 1, later.bias, None, relu=False)
            parts[later.layer.name] = part
    return x


def _result(step: Step, operations: Operations, x: Any, part: Any) -> Any:
    """Return the result of a layer; ``part`` is what was computed ahead, or None."""
    layer = step.layer
    if isinstance(layer, Convolution):
        return operations.convolve(x, step.kernel, layer.stride, step.bias, part, layer.relu)
    if isinstance(layer, Dense):
        return operations.multiply(x, step.kernel, step.bias, layer.relu)
    if isinstance(layer, BlocksToChannels):
        return operations.blocks_to_channels(x)
    if isinstance(layer, MaxPooling):
        return operations.max_pool(x)
    if isinstance(layer, Upsampling):
        return operations.upsample(x)
    if isinstance(layer, GlobalPooling):
        return operations.global_pool(x)
    if isinstance(layer, Softmax):
        return operations.softmax(x)
    # Concatenations were computed ahead, and dropout is used in training only.
    return x
