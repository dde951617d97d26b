"""Losses of the training, in operations that Keras 2 and 3 share."""

from typing import Any, Callable, Sequence

EROSIONS = 5
"""That thin out a thread to its middle line: half of the width in pixels of the widest one."""


def _operations() -> Any:
    import keras

    return getattr(keras, "ops", keras.backend)


def training_loss(threads: Sequence[int], skeleton_share: float) -> Callable[[Any, Any], Any]:
    """The loss of a recipe.

    Parameters
    ----------
    threads : sequence of int
        Indices of the classes that are threads.
    skeleton_share : float
        With which one minus their :func:`soft_cl_dice` is added to
        :func:`cross_entropy_and_dice`; 0 for not at all.

    Returns
    -------
    callable
        Parameters and result as those of :func:`cross_entropy_and_dice`.
    """

    def loss(truth: Any, probabilities: Any) -> Any:
        total = cross_entropy_and_dice(truth, probabilities)
        for index in threads if skeleton_share else ():
            channel = slice(index, index + 1)
            agreement = soft_cl_dice(truth[..., channel], probabilities[..., channel])
            total = total + skeleton_share * (1 - agreement)
        return total

    return loss


def cross_entropy_and_dice(truth: Any, probabilities: Any) -> Any:
    """Cross-entropy, mean over the pixels, plus one minus soft Dice, mean over all classes.

    Parameters
    ----------
    truth, probabilities : tensor of float32, (n, h, w, classes)
        Truth is 0 or 1.

    Returns
    -------
    tensor of float32
        A number that may exceed 1.
    """
    import keras

    ops = _operations()
    cross_entropy = keras.losses.categorical_crossentropy(truth, probabilities)
    return ops.mean(cross_entropy) + 1 - ops.mean(soft_dice(truth, probabilities))


def soft_dice(truth: Any, probabilities: Any) -> Any:
    """Soft Dice coefficient of each class.

    Milletari et al. 2016, V-Net, section 3; here of a whole batch, so that an image without a
    class does not count as one where it is missed. Parameters as for
    :func:`cross_entropy_and_dice`.

    Returns
    -------
    tensor of float32, (classes,)
        0 to 1.
    """
    ops = _operations()
    pixels = (0, 1, 2)
    both = ops.sum(truth * probabilities, axis=pixels)
    total = ops.sum(truth, axis=pixels) + ops.sum(probabilities, axis=pixels)
    return (2 * both + 1) / (total + 1)


def soft_cl_dice(truth: Any, probabilities: Any) -> Any:
    """Agreement of threads by their middle lines, whatever their widths, soft clDice.

    Shit et al. 2021, clDice, sections 2 and 3, here of a whole batch: the harmonic mean of the
    share of the found lines that lies in true threads, and of the true lines that lies in found
    ones.

    Parameters
    ----------
    truth, probabilities : tensor of float32, (n, h, w, 1)
        0 to 1.

    Returns
    -------
    tensor of float32
        A number of 0 to 1.
    """
    ops = _operations()
    found_lines, true_lines = soft_skeleton(probabilities), soft_skeleton(truth)
    precision = (ops.sum(found_lines * truth) + 1) / (ops.sum(found_lines) + 1)
    recall = (ops.sum(true_lines * probabilities) + 1) / (ops.sum(true_lines) + 1)
    return 2 * precision * recall / (precision + recall)


def soft_skeleton(image: Any) -> Any:
    """Middle lines of bright things: what an opening takes away, at every step of thinning out.

    Shit et al. 2021, algorithm 1.

    Parameters
    ----------
    image : tensor of float32, (n, h, w, 1)
        0 to 1.

    Returns
    -------
    tensor of float32, (n, h, w, 1)
        0 to 1.
    """
    ops = _operations()
    skeleton = ops.relu(image - _opened(image))
    for _ in range(EROSIONS):
        image = _eroded(image)
        skeleton = skeleton + ops.relu(image - _opened(image)) * (1 - skeleton)
    return skeleton


def _opened(image: Any) -> Any:
    return _largest(_eroded(image), (3, 3))


def _eroded(image: Any) -> Any:
    """The least of a pixel and its four neighbours."""
    ops = _operations()
    return ops.minimum(-_largest(-image, (3, 1)), -_largest(-image, (1, 3)))


def _largest(image: Any, window: Any) -> Any:
    import keras

    if hasattr(keras, "ops"):
        return keras.ops.max_pool(image, window, strides=1, padding="same")
    return keras.backend.pool2d(image, window, padding="same", pool_mode="max")
