"""The trainable Keras model of a network, for Keras 2 and 3 on any backend, and its arrays."""

import math
from typing import Any, Dict

import numpy as np

from micrograph_networks.networks.computing import Arrays
from micrograph_networks.networks.layers import (
    BlocksToChannels,
    Concatenation,
    Convolution,
    Dense,
    Dropout,
    GlobalPooling,
    Layer,
    MaxPooling,
    Network,
    Softmax,
    Upsampling,
)

SMALLEST_SPREAD = 1e-12
"""Of a kernel that is not all zeros."""


def multiply_in_bfloat16() -> None:
    """Let the models that are built from now on multiply in bfloat16, and keep float32 weights."""
    import keras

    keras.mixed_precision.set_global_policy("mixed_bfloat16")


def build_keras_model(network: Network) -> Any:
    """Build the trainable model of a network.

    Parameters
    ----------
    network : Network

    Returns
    -------
    keras.Model
        From images (n, height, width, channels) to the last layer's result. Layers with arrays have
        the network's names, batch normalizations ``NAME_bn``. The logits and what follows are
        float32 under any policy of mixed precision.
    """
    import keras

    x = images = keras.Input(network.inputs, name="images")
    outputs: Dict[str, Any] = {}
    for layer, following in zip(network.layers, (*network.layers[1:], None)):
        precise = isinstance(layer, Softmax) or isinstance(following, Softmax)
        dtype = "float32" if precise else None
        x = outputs[layer.name] = _keras_layer(layer, x, outputs, dtype)
    return keras.Model(images, x)


def _keras_layer(layer: Layer, x: Any, outputs: Dict[str, Any], dtype: Any) -> Any:
    """The result of a layer as a Keras tensor."""
    from keras import layers

    name = layer.name
    if isinstance(layer, Convolution):
        return _convolution(layer, x, dtype)
    if isinstance(layer, Dense):
        activation = "relu" if layer.relu else None
        return layers.Dense(layer.channels, activation, name=name, dtype=dtype)(x)
    if isinstance(layer, BlocksToChannels):
        return _blocks_to_channels(x)
    if isinstance(layer, Concatenation):
        return layers.Concatenate(name=name)([x, outputs[layer.skip]])
    if isinstance(layer, GlobalPooling):
        pooled = layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)
        return layers.Concatenate(name=name)(pooled)
    if isinstance(layer, Dropout):
        return layers.Dropout(layer.rate, name=name)(x)
    plain = {
        MaxPooling: lambda: layers.MaxPooling2D(2, name=name),
        Upsampling: lambda: layers.UpSampling2D(2, name=name),
        Softmax: lambda: layers.Softmax(name=name, dtype=dtype),
    }
    return plain[type(layer)]()(x)


def _convolution(layer: Convolution, x: Any, dtype: Any) -> Any:
    from keras import layers

    normalized = layer.momentum is not None
    x = layers.Conv2D(
        layer.channels,
        layer.size,
        strides=layer.stride,
        padding="same",
        use_bias=not normalized,
        name=layer.name,
        dtype=dtype,
    )(x)
    if normalized:
        x = layers.BatchNormalization(momentum=layer.momentum, name=f"{layer.name}_bn")(x)
    return layers.ReLU()(x) if layer.relu else x


def _blocks_to_channels(x: Any) -> Any:
    from keras import layers

    height, width, channels = x.shape[1:]
    x = layers.Reshape((height // 2, 2, width // 2, 2, channels))(x)
    x = layers.Permute((1, 3, 2, 4, 5))(x)
    return layers.Reshape((height // 2, width // 2, 4 * channels))(x)


def folded_arrays(model: Any, network: Network) -> Arrays:
    """Take the arrays of inference out of a trained model; batch normalization is folded in.

    Parameters
    ----------
    model : keras.Model
        With the layers of :func:`build_keras_model`.
    network : Network

    Returns
    -------
    Arrays
    """
    folded = {}
    for layer in network.find(Convolution) + network.find(Dense):
        kernel, *bias = model.get_layer(layer.name).get_weights()
        if bias:
            folded[layer.name] = {"kernel": kernel, "bias": bias[0]}
            continue
        normalization = model.get_layer(f"{layer.name}_bn")
        gamma, beta, mean, variance = normalization.get_weights()
        scale = gamma / np.sqrt(variance + normalization.epsilon)
        folded[layer.name] = {"kernel": kernel * scale, "bias": beta - mean * scale}
    return folded


def set_arrays(model: Any, network: Network, arrays: Arrays, images: np.ndarray) -> None:
    """Give a new model the arrays of inference, so that training goes on from them.

    Batch normalization is set to the statistics of the images, and so to change nothing. The
    kernels before it get the spread of new ones, which it takes back: a small kernel would be lost
    with the first steps of an optimizer, whose size does not depend on the kernel's.

    Parameters
    ----------
    model : keras.Model
        With the layers of :func:`build_keras_model`; changed in place.
    network : Network
    arrays : Arrays
    images : ndarray of float32, (n, height, width, channels)
        Some hundred of those that it will learn from.
    """
    import keras

    for layer in network.find(Convolution) + network.find(Dense):
        kernel, bias = arrays[layer.name]["kernel"], arrays[layer.name]["bias"]
        own = model.get_layer(layer.name)
        if len(own.get_weights()) == 2:
            own.set_weights([kernel, bias])
            continue
        spread = np.sqrt(np.square(kernel).mean(axis=(0, 1, 2)))
        scale = _initial_spread(kernel) / np.maximum(spread, SMALLEST_SPREAD)
        own.set_weights([kernel * scale])
        outputs = keras.Model(model.inputs, own.output).predict(images, verbose=0)
        outputs = outputs.astype(np.float32)  # numpy would sum up bfloat16 in three digits
        mean, variance = outputs.mean(axis=(0, 1, 2)), outputs.var(axis=(0, 1, 2))
        normalization = model.get_layer(f"{layer.name}_bn")
        gamma = np.sqrt(variance + normalization.epsilon) / scale
        normalization.set_weights([gamma, mean / scale + bias, mean, variance])


def _initial_spread(kernel: np.ndarray) -> float:
    """Standard deviation of a convolution's new kernel: Glorot and Bengio 2010, equation 16."""
    inputs, outputs = kernel.shape[2:]
    return math.sqrt(2 / (kernel.shape[0] * kernel.shape[1] * (inputs + outputs)))
