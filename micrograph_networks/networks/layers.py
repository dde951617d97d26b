"""A network as data: a short sequence of named layers.

The trainable model, the shapes of the arrays, the folding of batch normalization and the function
of every engine are made from it.
"""

from dataclasses import dataclass
from typing import Dict, Optional, Tuple, Type, TypeVar

Shapes = Dict[Tuple[str, str], Tuple[int, ...]]


@dataclass(frozen=True)
class Layer:
    """A step from one array, (n, height, width, channels) or (n, channels), to the next.

    Attributes
    ----------
    name : str
        Of its group of arrays in a weights file, if it has any.
    """

    name: str


@dataclass(frozen=True)
class Convolution(Layer):
    """A convolution that keeps the size, divided by the stride and rounded up.

    Attributes
    ----------
    channels : int
    size : int
        Height and width of the kernel.
    stride : int
    relu : bool
        Whether negative values become 0.
    momentum : float, optional
        Of a batch normalization before the ReLU: training has one, which is folded into the arrays
        of inference. None: there is none.
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
    """Fold blocks of 2x2 pixels into channels: no detail is lost, and the size is halved."""


@dataclass(frozen=True)
class MaxPooling(Layer):
    """The largest value of each block of 2x2 pixels."""


@dataclass(frozen=True)
class Upsampling(Layer):
    """Every pixel becomes a block of 2x2."""


@dataclass(frozen=True)
class Concatenation(Layer):
    """Append the channels of an earlier layer, once; a convolution of stride 1 must follow.

    Attributes
    ----------
    skip : str
        Name of that layer.
    """

    skip: str


@dataclass(frozen=True)
class GlobalPooling(Layer):
    """Mean and maximum of each channel over the image, (n, 2 channels)."""


@dataclass(frozen=True)
class Dropout(Layer):
    """In training, zeros at random; at inference nothing.

    Attributes
    ----------
    rate : float
        Share of zeros.
    """

    rate: float


@dataclass(frozen=True)
class Softmax(Layer):
    """From logits to probabilities that sum to 1 over the channels."""


Kind = TypeVar("Kind", bound=Layer)


@dataclass(frozen=True)
class Network:
    """A network from images to probabilities.

    Attributes
    ----------
    architecture : str
        Its name in weights files; another declaration needs another name.
    inputs : (height, width, channels)
        None for heights and widths that may be any.
    layers : tuple of Layer
    """

    architecture: str
    inputs: Tuple[Optional[int], Optional[int], int]
    layers: Tuple[Layer, ...]

    def __post_init__(self) -> None:
        """Raise ValueError where it is not what :class:`Concatenation` says."""
        joined = [layer.skip for layer in self.find(Concatenation)]
        for layer, following in zip(self.layers, self.layers[1:]):
            if isinstance(layer, Concatenation) and not (
                isinstance(following, Convolution) and following.stride == 1
            ):
                raise ValueError(f"a convolution of stride 1 must follow {layer.name}")
        if len(set(joined)) < len(joined):
            raise ValueError("a layer can be joined once only")

    def find(self, kind: Type[Kind]) -> Tuple[Kind, ...]:
        """The layers of a kind, in their order."""
        return tuple(layer for layer in self.layers if isinstance(layer, kind))


def output_channels(network: Network) -> Dict[str, int]:
    """Channels of every layer's output, by name.

    Parameters
    ----------
    network : Network

    Returns
    -------
    dict of str to int
    """
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
    """Shapes of the arrays of inference, as a weights file of the network holds them.

    Parameters
    ----------
    network : Network

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


def operations(network: Network, height: int, width: int) -> int:
    """Floating-point operations of the convolutions and products for one image.

    Parameters
    ----------
    network : Network
    height, width : int
        Of the image.

    Returns
    -------
    int
        A multiplication and an addition are two.
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
            size = 1
            for length in shapes[layer.name, "kernel"]:
                size *= length
            total += 2 * size * height * width
    return total
