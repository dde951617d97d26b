"""Shift a trained network's logits so that it finds as much of each class as there is."""

import numpy as np

from segment.evaluation.scores import confusion_matrix, scores

OFFSETS = np.array(sorted(np.arange(-2.5, 2.51, 0.25), key=abs), dtype=np.float32)
"""That are tried, in units of logits; of equally good ones the first, nearest to 0, is taken."""
ROUNDS = 2
"""How often the offset of each class is looked for."""


def class_offsets(probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Find offsets of the logits at which the most probable classes have the highest mean IoU.

    With Dice in the loss, a network takes doubtful pixels for what it seeks, and more so in images
    that it has not learned from. The offsets are found by coordinate ascent; that of the first
    class, the background, is 0.

    Parameters
    ----------
    probabilities : ndarray of float32, (pixels, classes)
        Of images that training never saw.
    truth : ndarray of int, (pixels,)

    Returns
    -------
    ndarray of float32, (classes,)
        Between -2.5 and 2.5.
    """
    logits = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
    classes = probabilities.shape[1]
    offsets = np.zeros(classes, dtype=np.float32)

    def agreement(trial: np.ndarray) -> float:
        predicted = (logits + trial).argmax(axis=1)
        return scores(confusion_matrix(truth, predicted, classes)).mean_iou

    for index in np.tile(np.arange(1, classes), ROUNDS):
        trials = np.tile(offsets, (len(OFFSETS), 1))
        trials[:, index] = OFFSETS
        # The present offset first: nothing is changed that becomes no better.
        trials = np.concatenate([offsets[None], trials])
        offsets = trials[np.argmax([agreement(trial) for trial in trials])]
    return offsets
