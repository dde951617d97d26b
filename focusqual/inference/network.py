"""The focus network: built with Keras for training, run as a plain TensorFlow function."""

import functools

import numpy as np

from focusqual.inference.patches import PATCH_SIZE
from focusqual.simulation.optics import LEVELS
from micrograph_networks.engines.tensorflow import tensorflow

ARCHITECTURE = "focus-patch-1"
# (name, channels, stride) of the 3x3 convolutions. The image enters with 2x2 blocks of pixels
# folded into channels: no detail is lost, and the costly first layers run at half resolution.
CONVOLUTIONS = (
    ("conv1", 24, 1),
    ("conv2", 48, 2),
    ("conv3", 64, 2),
    ("conv4", 96, 2),
    ("conv5", 96, 1),
)
HIDDEN = 96


def build_keras_model():
    """Build the trainable network, with Keras 2 or 3 on any backend.

    Returns
    -------
    keras.Model
        From normalised patches (n, 84, 84, 1) to ``logits`` (n, 11), ``probabilities`` (n, 11)
        and ``cumulative`` (n, 11), the running sum of the probabilities over the levels.
    """
    import keras
    from keras import layers

    patches = keras.Input((PATCH_SIZE, PATCH_SIZE, 1), name="patches")
    half = PATCH_SIZE // 2
    x = layers.Reshape((half, 2, half, 2))(patches)
    x = layers.Permute((1, 3, 2, 4))(x)
    x = layers.Reshape((half, half, 4))(x)
    for name, channels, stride in CONVOLUTIONS:
        x = layers.Conv2D(channels, 3, strides=stride, padding="same", name=name)(x)
        x = layers.BatchNormalization(name=f"{name}_bn")(x)
        x = layers.ReLU()(x)
    x = layers.Concatenate()([layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)])
    x = layers.Dense(HIDDEN, activation="relu", name="hidden")(x)
    x = layers.Dropout(0.1)(x)
    logits = layers.Dense(LEVELS, name="logits")(x)
    probabilities = layers.Softmax(name="probabilities")(logits)
    # The running sum as a fixed matrix: its squared error is the ranked probability score.
    running_sum = layers.Dense(LEVELS, use_bias=False, trainable=False, name="cumulative")
    cumulative = running_sum(probabilities)
    running_sum.set_weights([np.triu(np.ones((LEVELS, LEVELS), dtype=np.float32))])
    return keras.Model(
        patches, {"logits": logits, "probabilities": probabilities, "cumulative": cumulative}
    )


def fold_layers(model, temperature):
    """Take the arrays of inference out of a trained Keras model.

    Batch normalisation is folded into the convolution before it, the temperature of the
    calibration into the last layer.

    Parameters
    ----------
    model : keras.Model
        Of :func:`build_keras_model`.
    temperature : float
        Divides the logits (Guo et al. 2017, On calibration of modern neural networks, section 4.2).

    Returns
    -------
    dict of str to dict of str to ndarray
        ``kernel`` and ``bias`` of every layer.
    """
    folded = {}
    for name, _, _ in CONVOLUTIONS:
        kernel, bias = model.get_layer(name).get_weights()
        normalisation = model.get_layer(f"{name}_bn")
        gamma, beta, mean, variance = normalisation.get_weights()
        scale = gamma / np.sqrt(variance + normalisation.epsilon)
        folded[name] = {"kernel": kernel * scale, "bias": (bias - mean) * scale + beta}
    for name in ("hidden", "logits"):
        kernel, bias = model.get_layer(name).get_weights()
        folded[name] = {"kernel": kernel, "bias": bias}
    folded["logits"] = {key: array / temperature for key, array in folded["logits"].items()}
    return folded


def unfold_layers(model, layers, patches):
    """Give a new Keras model the arrays of inference, so that training goes on from them.

    Batch normalisation is set to the statistics of the patches, and so to change nothing.

    Parameters
    ----------
    model : keras.Model
        Of :func:`build_keras_model`; changed in place.
    layers : dict of str to dict of str to ndarray
        As :func:`fold_layers` gives them.
    patches : ndarray of float32, (n, 84, 84, 1)
        A few hundred of the training patches.
    """
    import keras

    for name in layers:
        model.get_layer(name).set_weights([layers[name]["kernel"], layers[name]["bias"]])
    for name, _, _ in CONVOLUTIONS:
        until_here = keras.Model(model.inputs, model.get_layer(name).output)
        outputs = until_here.predict(patches, verbose=0)
        mean, variance = outputs.mean(axis=(0, 1, 2)), outputs.var(axis=(0, 1, 2))
        normalisation = model.get_layer(f"{name}_bn")
        gamma = np.sqrt(variance + normalisation.epsilon)
        normalisation.set_weights([gamma, mean, mean, variance])


def layer_shapes():
    """Shapes of all arrays that a weights file of this architecture holds.

    Returns
    -------
    dict of (layer, name) to tuple of int
    """
    shapes, inputs = {}, 4
    for name, channels, _ in CONVOLUTIONS:
        shapes[name, "kernel"], shapes[name, "bias"] = (3, 3, inputs, channels), (channels,)
        inputs = channels
    for name, inputs, outputs in (
        ("hidden", 2 * CONVOLUTIONS[-1][1], HIDDEN),
        ("logits", HIDDEN, LEVELS),
    ):
        shapes[name, "kernel"], shapes[name, "bias"] = (inputs, outputs), (outputs,)
    return shapes


def inference_function(layers):
    """Compile the network for any number of patches.

    Parameters
    ----------
    layers : dict of str to dict of str to ndarray of float32
        As :func:`fold_layers` gives them.

    Returns
    -------
    callable
        From normalised patches, float32 (n, 84, 84), to probabilities, float32 (n, 11), as arrays.
    """
    tf = tensorflow()
    constants = {
        layer: {name: tf.constant(array) for name, array in arrays.items()}
        for layer, arrays in layers.items()
    }

    @functools.partial(
        tf.function,
        input_signature=[tf.TensorSpec((None, PATCH_SIZE, PATCH_SIZE), tf.float32)],
        autograph=False,
    )
    def probabilities(patches):
        x = tf.nn.space_to_depth(patches[..., None], 2)
        for name, _, stride in CONVOLUTIONS:
            x = tf.nn.conv2d(x, constants[name]["kernel"], stride, "SAME")
            x = tf.nn.relu(tf.nn.bias_add(x, constants[name]["bias"]))
        x = tf.concat([tf.reduce_mean(x, (1, 2)), tf.reduce_max(x, (1, 2))], axis=1)
        x = tf.nn.relu(x @ constants["hidden"]["kernel"] + constants["hidden"]["bias"])
        return tf.nn.softmax(x @ constants["logits"]["kernel"] + constants["logits"]["bias"])

    return lambda patches: probabilities(patches).numpy()
