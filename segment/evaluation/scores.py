"""How well predicted classes agree with true ones."""

from dataclasses import dataclass

import numpy as np

BINS = 15
"""Of probability, in which calibration is judged."""


@dataclass(frozen=True)
class Scores:
    """Agreement of each class, all pixels of all images together.

    Attributes
    ----------
    iou, dice, precision, recall : ndarray of float, (classes,)
        0 to 1; NaN where neither truth nor prediction (for precision: prediction, for recall:
        truth) has the class.
    """

    iou: np.ndarray
    dice: np.ndarray
    precision: np.ndarray
    recall: np.ndarray

    @property
    def mean_iou(self) -> float:
        """Mean over the classes that occur, a float."""
        return _mean(self.iou)

    @property
    def mean_dice(self) -> float:
        """Mean over the classes that occur, a float."""
        return _mean(self.dice)


def confusion_matrix(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Count pixels of each true and predicted class; matrices of several images can be added.

    Parameters
    ----------
    truth, predicted : ndarray of int, same shape
        0 to classes - 1.
    classes : int

    Returns
    -------
    ndarray of int64, (classes, classes)
        Rows are true classes.
    """
    pairs = truth.astype(np.intp).ravel() * classes + predicted.ravel()
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def scores(matrix: np.ndarray) -> Scores:
    """Scores of a confusion matrix.

    Parameters
    ----------
    matrix : ndarray of int, (classes, classes)
        Of :func:`confusion_matrix`, or a sum of several.

    Returns
    -------
    Scores

    Examples
    --------
    >>> scores(np.array([[8, 1], [1, 2]])).iou
    array([0.8, 0.5])
    """
    hit, true, predicted = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    return Scores(
        iou=_ratio(hit, true + predicted - hit),
        dice=_ratio(2 * hit, true + predicted),
        precision=_ratio(hit, predicted),
        recall=_ratio(hit, true),
    )


def reliability(probability: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Count how often a class is there, by the probability of it; counts of images can be added.

    Parameters
    ----------
    probability : ndarray of float, any shape
        0 to 1.
    truth : ndarray of bool, same shape

    Returns
    -------
    ndarray of float, (3, 15)
        In bins of equal width: pixels, sum of their probabilities, and true pixels.
    """
    probability = probability.ravel()
    bins = np.minimum((probability * BINS).astype(int), BINS - 1)
    sums = (np.bincount(bins, weights, BINS) for weights in (None, probability, truth.ravel()))
    return np.stack(list(sums))


def expected_calibration_error(counts: np.ndarray) -> float:
    """Mean gap, over the pixels, between the probability of a class and how often it is there.

    Guo et al. 2017, On calibration of modern neural networks, section 2, eq. 3, for one class
    against all others.

    Parameters
    ----------
    counts : ndarray, (3, 15)
        Of :func:`reliability`, or a sum of several.

    Returns
    -------
    float
        0 to 1.
    """
    pixels, expected, true = counts
    return float(np.abs(expected - true).sum() / pixels.sum())


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)


def _mean(values: np.ndarray) -> float:
    return float(values[np.isfinite(values)].mean())
