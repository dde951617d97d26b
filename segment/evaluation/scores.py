"""Agreement of predicted and true classes of pixels."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Scores:
    """Scores of each class over all pixels of all images.

    Attributes
    ----------
    iou, dice, precision, recall : ndarray of float, (classes,)
        0 to 1; NaN if the class occurs neither in the truth nor in the prediction (precision: not
        in the prediction; recall: not in the truth).
    """

    iou: np.ndarray
    dice: np.ndarray
    precision: np.ndarray
    recall: np.ndarray

    @property
    def mean_iou(self) -> float:
        """Mean over the classes that occur."""
        return float(np.nanmean(self.iou))

    @property
    def mean_dice(self) -> float:
        """Mean over the classes that occur."""
        return float(np.nanmean(self.dice))


def confusion_matrix(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Count the pixels of each pair of true and predicted class.

    Parameters
    ----------
    truth, predicted : ndarray of int, same shape
        Class indices, 0 to classes - 1.
    classes : int
        Number of classes.

    Returns
    -------
    ndarray of int64, (classes, classes)
        Rows are true classes. Matrices of several images can be added.
    """
    pairs = truth.astype(np.intp).ravel() * classes + predicted.ravel()
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def scores(matrix: np.ndarray) -> Scores:
    """Compute the scores of a confusion matrix.

    Parameters
    ----------
    matrix : ndarray of int, (classes, classes)
        Result of :func:`confusion_matrix`, or a sum of several.

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
