"""Trainable Keras models of networks, for Keras 2 and 3 with any backend, and their arrays."""

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
"""Lower limit of a kernel's standard deviation, against division by 0."""


def multiply_in_bfloat16() -> None:
    """Make models that are built later multiply in bfloat16; their weights stay float32."""
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
        From images (n, height, width, channels) to the last layer's output. Layers with arrays have
        the network's names, batch normalizations ``NAME_bn``. The logits and their softmax are
        float32 with any policy of mixed precision.
    """
    import keras

    x = images = keras.Input(network.inputs, name="images")
    outputs: Dict[str, Any] = {}
    for layer, following in zip(network.layers, (*network.layers[1:], None)):
        precise = isinstance(layer, Softmax) or isinstance(following, Softmax)
        dtype = "float32" if precise else None
        x = outputs[layer.name] = _add_layer(layer, x, outputs, dtype)
    return keras.Model(images, x)


def _add_layer(layer: Layer, x: Any, outputs: Dict[str, Any], dtype: Any) -> Any:
    """Return the output of a layer as a Keras tensor."""
    from keras import layers

    name = layer.name
    if isinstance(layer, Convolution):
        return _add_convolution(layer, x, dtype)
    if isinstance(layer, Dense):
        activation = "relu" if layer.relu else None
        return layers.Dense(layer.channels, activation, name=name, dtype=dtype)(x)
    if isinstance(layer, BlocksToChannels):
        height, width, channels = x.shape[1:]
        x = layers.Reshape((height // 2, 2, width // 2, 2, channels))(x)
        x = layers.Permute((1, 3, 2, 4, 5))(x)
        return layers.Reshape((height // 2, width // 2, 4 * channels))(x)
    if isinstance(layer, Concatenation):
        return layers.Concatenate(name=name)([x, outputs[layer.skip]])
    if isinstance(layer, GlobalPooling):
        pooled = layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)
        return layers.Concatenate(name=name)(pooled)
    if isinstance(layer, Dropout):
        return layers.Dropout(layer.rate, name=name)(x)
    if isinstance(layer, MaxPooling):
        return layers.MaxPooling2D(2, name=name)(x)
    if isinstance(layer, Upsampling):
        return layers.UpSampling2D(2, name=name)(x)
    if isinstance(layer, Softmax):
        return layers.Softmax(name=name, dtype=dtype)(x)
    raise NotImplementedError(f"{type(layer).__name__} cannot be trained.")


def _add_convolution(layer: Convolution, x: Any, dtype: Any) -> Any:
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


def folded_arrays(model: Any, network: Network) -> Arrays:
    """Return the arrays of a trained model for inference, with batch normalization folded in.

    Parameters
    ----------
    model : keras.Model
        Model with the layers of :func:`build_keras_model`.
    network : Network
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
    """Set the arrays of inference in a new model, so that training continues from them.

    Batch normalization gets the statistics of the images, so that it changes nothing. Kernels
    before it are scaled to the standard deviation of new kernels, and batch normalization undoes
    that: the first steps of an optimizer, whose size does not depend on the kernel's, would destroy
    a small kernel.

    Parameters
    ----------
    model : keras.Model
        Model with the layers of :func:`build_keras_model`; changed in place.
    network : Network
    arrays : Arrays
    images : ndarray of float32, (n, height, width, channels)
        Some hundred training images.
    """
    import keras

    for layer in network.find(Convolution) + network.find(Dense):
        kernel, bias = arrays[layer.name]["kernel"], arrays[layer.name]["bias"]
        own = model.get_layer(layer.name)
        if len(own.get_weights()) == 2:
            own.set_weights([kernel, bias])
            continue
        spread = np.sqrt(np.square(kernel).mean(axis=(0, 1, 2)))
        # Standard deviation of a new kernel: Glorot and Bengio 2010, equation 16.
        initial_spread = np.sqrt(2 / (kernel.shape[0] * kernel.shape[1] * sum(kernel.shape[2:])))
        scale = initial_spread / np.maximum(spread, SMALLEST_SPREAD)
        own.set_weights([kernel * scale])
        outputs = keras.Model(model.inputs, own.output).predict(images, verbose=0)
        outputs = outputs.astype(np.float32)  # sums of bfloat16 would have three digits
        mean, variance = outputs.mean(axis=(0, 1, 2)), outputs.var(axis=(0, 1, 2))
        normalization = model.get_layer(f"{layer.name}_bn")
        gamma = np.sqrt(variance + normalization.epsilon) / scale
        normalization.set_weights([gamma, mean / scale + bias, mean, variance])
