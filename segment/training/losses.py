"""Losses, written in operations that Keras 2 and 3 share."""

from typing import Any


def _operations() -> Any:
    import keras

    return getattr(keras, "ops", keras.backend)


def cross_entropy_and_dice(truth: Any, probabilities: Any) -> Any:
    """Return cross-entropy, mean over the pixels, plus 1 minus soft Dice, mean over the classes.

    Parameters
    ----------
    truth, probabilities : tensor of float32, (n, h, w, classes)
        Truth is 0 or 1.

    Returns
    -------
    tensor of float32
        A scalar, which may exceed 1.
    """
    import keras

    ops = _operations()
    cross_entropy = keras.losses.categorical_crossentropy(truth, probabilities)
    return ops.mean(cross_entropy) + 1 - ops.mean(soft_dice(truth, probabilities))


def soft_dice(truth: Any, probabilities: Any) -> Any:
    """Return the soft Dice coefficient of each class.

    Milletari et al. 2016, V-Net, section 3, here over a whole batch: an image without a class does
    not lower the coefficient of that class. Parameters are those of
    :func:`cross_entropy_and_dice`; the result is a tensor of float32, (classes,), 0 to 1.
    """
    ops = _operations()
    pixels = (0, 1, 2)
    both = ops.sum(truth * probabilities, axis=pixels)
    total = ops.sum(truth, axis=pixels) + ops.sum(probabilities, axis=pixels)
    return (2 * both + 1) / (total + 1)
