"""A U-Net with VGG16 as encoder: built with Keras for training, run as a TensorFlow function.

Ronneberger et al. 2015, U-Net; Simonyan and Zisserman 2015, Very deep convolutional networks.
"""

import functools
import math

import numpy as np

from micrograph_networks.engines.tensorflow import tensorflow

ARCHITECTURE = "segment-unet-vgg16-1"
STRIDE = 32
"""Heights and widths must be multiples of this."""
# Convolutions and channels of the five blocks, each followed by 2x2 max pooling.
ENCODER = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
DECODER = (256, 128, 64, 32, 16)
"""Channels of the five steps up, each of which doubles the size and sees one encoder block."""
LAST = "classes"


def whole_strides(length):
    """The next multiple of the stride, an int."""
    return math.ceil(length / STRIDE) * STRIDE


def encoder_layers():
    """Names of the encoder's convolutions, block by block, as Keras's VGG16 calls them.

    Returns
    -------
    list of list of str
    """
    return [
        [f"block{block}_conv{number}" for number in range(1, count + 1)]
        for block, (count, _) in enumerate(ENCODER, 1)
    ]


def _decoder_layers():
    return [[f"up{step}_conv1", f"up{step}_conv2"] for step in range(1, len(DECODER) + 1)]


def build_keras_model(classes):
    """Build the trainable network, with Keras 2 or 3 on any backend.

    Parameters
    ----------
    classes : int

    Returns
    -------
    keras.Model
        From normalised images (n, h, w, 3), h and w multiples of 32, to ``probabilities``
        (n, h, w, classes), in float32 under any policy of mixed precision.
    """
    import keras
    from keras import layers

    x = images = keras.Input((None, None, 3), name="images")
    skips = []
    for names, (_, channels) in zip(encoder_layers(), ENCODER):
        for name in names:
            x = layers.Conv2D(channels, 3, padding="same", activation="relu", name=name)(x)
        skips.append(x)
        x = layers.MaxPooling2D(2)(x)
    for names, channels, skip in zip(_decoder_layers(), DECODER, reversed(skips)):
        x = layers.Concatenate()([layers.UpSampling2D(2)(x), skip])
        for name in names:
            x = layers.Conv2D(channels, 3, padding="same", use_bias=False, name=name)(x)
            # Data sets are small: the statistics of inference follow within an epoch.
            x = layers.BatchNormalization(momentum=0.97, name=f"{name}_bn")(x)
            x = layers.ReLU()(x)
    x = layers.Conv2D(classes, 3, padding="same", dtype="float32", name=LAST)(x)
    probabilities = layers.Softmax(dtype="float32", name="probabilities")(x)
    return keras.Model(images, probabilities)


def set_backbone(model, backbone):
    """Give the encoder trained kernels.

    Parameters
    ----------
    model : keras.Model
        Of :func:`build_keras_model`; changed in place.
    backbone : dict of str to dict of str to ndarray
        ``kernel`` and ``bias`` of every encoder layer; others are ignored.
    """
    for name in sum(encoder_layers(), []):
        model.get_layer(name).set_weights([backbone[name]["kernel"], backbone[name]["bias"]])


def fold_layers(model):
    """Take the arrays of inference out of a trained Keras model.

    Parameters
    ----------
    model : keras.Model
        Of :func:`build_keras_model`.

    Returns
    -------
    dict of str to dict of str to ndarray
        ``kernel`` and ``bias`` of every convolution, batch normalisation folded in.
    """
    folded = {}
    for name in (*sum(encoder_layers(), []), LAST):
        kernel, bias = model.get_layer(name).get_weights()
        folded[name] = {"kernel": kernel, "bias": bias}
    for name in sum(_decoder_layers(), []):
        (kernel,) = model.get_layer(name).get_weights()
        normalisation = model.get_layer(f"{name}_bn")
        gamma, beta, mean, variance = normalisation.get_weights()
        scale = gamma / np.sqrt(variance + normalisation.epsilon)
        folded[name] = {"kernel": kernel * scale, "bias": beta - mean * scale}
    return folded


def layer_shapes(classes):
    """Shapes of all arrays that a weights file of this architecture holds.

    Parameters
    ----------
    classes : int

    Returns
    -------
    dict of (layer, name) to tuple of int
    """
    shapes = {}

    def add(name, inputs, outputs):
        shapes[name, "kernel"], shapes[name, "bias"] = (3, 3, inputs, outputs), (outputs,)
        return outputs

    width = 3
    for names, (_, channels) in zip(encoder_layers(), ENCODER):
        for name in names:
            width = add(name, width, channels)
    for names, channels, (_, skip) in zip(_decoder_layers(), DECODER, reversed(ENCODER)):
        width += skip
        for name in names:
            width = add(name, width, channels)
    add(LAST, width, classes)
    return shapes


def inference_function(layers, bfloat16=False):
    """Compile the network for images of any number and size.

    Parameters
    ----------
    layers : dict of str to dict of str to ndarray of float32
        As :func:`fold_layers` gives them.
    bfloat16 : bool
        Whether to compute in bfloat16: several times faster on a processor with AMX, and with
        three digits instead of seven.

    Returns
    -------
    callable
        From normalised images, float32 (n, h, w, 3), h and w multiples of 32, to probabilities,
        float32 (n, h, w, classes), as arrays.
    """
    tf = tensorflow()
    dtype = tf.bfloat16 if bfloat16 else tf.float32
    # Outside of the graph: within it they would be copied and folded at the first image.
    constants = {
        layer: {name: tf.cast(array, dtype) for name, array in arrays.items()}
        for layer, arrays in layers.items()
    }

    for (name, _), below in zip(_decoder_layers(), (ENCODER[-1][1], *DECODER)):
        kernel = constants[name]["kernel"]
        constants[name].update(kernel=kernel[:, :, :below], skip=kernel[:, :, below:])

    def convolve(x, name, kernel="kernel"):
        return tf.nn.conv2d(x, constants[name][kernel], 1, "SAME")

    def add_bias(x, name):
        return tf.nn.bias_add(x, constants[name]["bias"])

    @functools.partial(
        tf.function,
        input_signature=[tf.TensorSpec((None, None, None, 3), tf.float32)],
        autograph=False,
    )
    def probabilities(images):
        x = tf.cast(images, dtype)
        # What a step up makes of an encoder block is summed up at once: it has far fewer channels
        # than the block, which need neither be kept nor concatenated.
        skips = []
        for names, (up, _) in zip(encoder_layers(), reversed(_decoder_layers())):
            for name in names:
                x = tf.nn.relu(add_bias(convolve(x, name), name))
            skips.append(add_bias(convolve(x, up, "skip"), up))
            # So that the block, the largest array, is freed before the next one is made.
            with tf.control_dependencies([skips[-1]]):
                x = tf.nn.max_pool2d(x, 2, 2, "VALID")
        for (first, second), skip in zip(_decoder_layers(), reversed(skips)):
            x = tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2)
            x = tf.nn.relu(convolve(x, first) + skip)
            x = tf.nn.relu(add_bias(convolve(x, second), second))
        return tf.nn.softmax(tf.cast(add_bias(convolve(x, LAST), LAST), tf.float32))

    return lambda images: probabilities(images).numpy()
