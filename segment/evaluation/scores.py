"""How well predicted classes agree with true ones."""

from dataclasses import dataclass

import numpy as np


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


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)


def _mean(values: np.ndarray) -> float:
    return float(values[np.isfinite(values)].mean())
