"""Offsets of a trained network's logits that give the best classes in whole images."""

from dataclasses import replace
from typing import Callable, Sequence

import numpy as np

from micrograph_networks.models.weights_file import Weights
from segment.annotations.dataset import Sample
from segment.evaluation.scores import confusion_matrix, scores
from segment.inference.network import LOGITS

OFFSETS = np.array(sorted(np.arange(-2.5, 2.51, 0.25), key=abs), dtype=np.float32)
"""Logit offsets to try, ordered by distance from 0; ties are resolved in favor of the first."""
ROUNDS = 2
"""How many times the offset of each class is optimized."""
SPACING = 4
"""Distance in pixels of the rows and columns of an image that are compared."""


def calibrated(
    weights: Weights, predict: Callable[[np.ndarray], np.ndarray], samples: Sequence[Sample]
) -> Weights:
    """Add the offsets that fit some samples best to the logits: see :func:`class_offsets`.

    Parameters
    ----------
    weights : Weights
    predict : callable
        Function from a sample's image to probabilities, float32 (height, width, classes).
    samples : list of Sample

    Returns
    -------
    Weights
        The offsets are also stored as the attribute ``class_offsets``.
    """
    found, truth = [], []
    for sample in samples:
        probabilities = predict(sample.image)[::SPACING, ::SPACING]
        found.append(probabilities.reshape(-1, probabilities.shape[2]))
        truth.append(sample.mask[::SPACING, ::SPACING].ravel())
    offsets = class_offsets(np.concatenate(found), np.concatenate(truth))
    logits = weights.layers[LOGITS]
    layers = {**weights.layers, LOGITS: {**logits, "bias": logits["bias"] + offsets}}
    attributes = {**weights.attributes, "class_offsets": offsets.tolist()}
    return replace(weights, layers=layers, attributes=attributes)


def class_offsets(probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Find the offsets of the logits that give the most probable classes the highest mean IoU.

    Dice in the loss, and filaments in more crops than in images, make a network assign uncertain
    pixels to rare classes. The offsets are found by coordinate ascent; that of the first class,
    the background, is 0.

    Parameters
    ----------
    probabilities : ndarray of float32, (pixels, classes)
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
        # The present offset comes first, so it stays unless another one is better.
        trials = np.concatenate([offsets[None], trials])
        offsets = trials[np.argmax([agreement(trial) for trial in trials])]
    return offsets
