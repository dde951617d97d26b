"""Networks as data: a network is a short sequence of named layers.

The Keras model for training, the shapes of the arrays, the folding of batch normalization and the
functions of all engines are made from it.
"""

from dataclasses import dataclass
from typing import Dict, Optional, Tuple, Type, TypeVar

Shapes = Dict[Tuple[str, str], Tuple[int, ...]]
"""Shapes of arrays by (layer, ``kernel`` or ``bias``)."""


@dataclass(frozen=True)
class Layer:
    """A step from one array, (n, height, width, channels) or (n, channels), to the next.

    Attributes
    ----------
    name : str
        Name, also of the layer's group in a weights file.
    """

    name: str


@dataclass(frozen=True)
class Convolution(Layer):
    """A convolution, whose result has the size of the image divided by the stride, rounded up.

    Attributes
    ----------
    channels : int
        Channels of the result.
    size : int
        Height and width of the kernel.
    stride : int
        Stride.
    relu : bool
        True to set negative values to 0.
    momentum : float, optional
        Momentum of the batch normalization before the ReLU in training, which is folded into the
        arrays for inference; None without batch normalization.
    """

    channels: int
    size: int = 3
    stride: int = 1
    relu: bool = True
    momentum: Optional[float] = None


@dataclass(frozen=True)
class Dense(Layer):
    """A product with a matrix, from (n, channels) to (n, channels)."""

    channels: int
    relu: bool = True


@dataclass(frozen=True)
class BlocksToChannels(Layer):
    """Blocks of 2x2 pixels become channels of one pixel, without loss of detail."""


@dataclass(frozen=True)
class MaxPooling(Layer):
    """Maximum of each block of 2x2 pixels."""


@dataclass(frozen=True)
class Upsampling(Layer):
    """Every pixel becomes a block of 2x2 pixels."""


@dataclass(frozen=True)
class Concatenation(Layer):
    """Channels of an earlier layer are appended. A convolution of stride 1 must follow.

    Attributes
    ----------
    skip : str
        Name of the earlier layer, which can be joined only once.
    """

    skip: str


@dataclass(frozen=True)
class GlobalPooling(Layer):
    """Mean and maximum of each channel over the image, (n, 2 channels)."""


@dataclass(frozen=True)
class Dropout(Layer):
    """Random zeros in training; no effect at inference.

    Attributes
    ----------
    rate : float
        Fraction of zeros, 0 to 1.
    """

    rate: float


@dataclass(frozen=True)
class Softmax(Layer):
    """Probabilities that sum to 1 over the channels, from logits."""


Kind = TypeVar("Kind", bound=Layer)


@dataclass(frozen=True)
class Network:
    """A network from images to probabilities.

    Attributes
    ----------
    architecture : str
        Name of the network in weights files. Every declaration needs its own name.
    inputs : (height, width, channels)
        Size of the images; None for any height or width.
    layers : tuple of Layer
    """

    architecture: str
    inputs: Tuple[Optional[int], Optional[int], int]
    layers: Tuple[Layer, ...]

    def __post_init__(self) -> None:
        """Raise ValueError unless the network meets the conditions of :class:`Concatenation`."""
        joined = [layer.skip for layer in self.find(Concatenation)]
        for layer, following in zip(self.layers, self.layers[1:]):
            if isinstance(layer, Concatenation) and not (
                isinstance(following, Convolution) and following.stride == 1
            ):
                raise ValueError(f"a convolution of stride 1 must follow {layer.name}")
        if len(set(joined)) < len(joined):
            raise ValueError("a layer can be joined once only")

    def find(self, kind: Type[Kind]) -> Tuple[Kind, ...]:
        """Return the layers of a class, in order."""
        return tuple(layer for layer in self.layers if isinstance(layer, kind))


def output_channels(network: Network) -> Dict[str, int]:
    """Return the number of channels of every layer's result, by name of the layer."""
    channels: Dict[str, int] = {}
    current = network.inputs[2]
    for layer in network.layers:
        if isinstance(layer, (Convolution, Dense)):
            current = layer.channels
        elif isinstance(layer, BlocksToChannels):
            current *= 4
        elif isinstance(layer, GlobalPooling):
            current *= 2
        elif isinstance(layer, Concatenation):
            current += channels[layer.skip]
        channels[layer.name] = current
    return channels


def array_shapes(network: Network) -> Shapes:
    """Return the shapes of the arrays for inference, as a weights file of the network holds them.

    Returns
    -------
    dict of (layer, ``kernel`` or ``bias``) to tuple of int
        Kernels are (size, size, in, out) or (in, out).
    """
    shapes: Shapes = {}
    channels = output_channels(network)
    current = network.inputs[2]
    for layer in network.layers:
        if isinstance(layer, (Convolution, Dense)):
            window = (layer.size, layer.size) if isinstance(layer, Convolution) else ()
            shapes[layer.name, "kernel"] = (*window, current, layer.channels)
            shapes[layer.name, "bias"] = (layer.channels,)
        current = channels[layer.name]
    return shapes
