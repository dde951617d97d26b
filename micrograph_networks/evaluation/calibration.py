"""Calibration: how well probabilities agree with frequencies."""

import numpy as np

BINS = 15
"""Number of bins of equal width between the probabilities 0 and 1."""


def reliability(probability: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Count how often a class is true, by its predicted probability.

    Parameters
    ----------
    probability : ndarray of float, any shape
        Predicted probability of the class, 0 to 1.
    truth : ndarray of bool, same shape
        True where the class is true.

    Returns
    -------
    ndarray of float, (3, 15)
        For each bin of probability: number of values, sum of their probabilities, and number of
        true values. The results for several images can be added.
    """
    probability = probability.ravel()
    bins = np.minimum((probability * BINS).astype(int), BINS - 1)
    return np.stack(
        [
            np.bincount(bins, minlength=BINS),
            np.bincount(bins, probability, BINS),
            np.bincount(bins, truth.ravel(), BINS),
        ]
    )


def expected_calibration_error(counts: np.ndarray) -> float:
    """Return the mean difference between predicted probability and true frequency.

    Guo et al. 2017, On calibration of modern neural networks, section 2, eq. 3.

    Parameters
    ----------
    counts : ndarray, (3, 15)
        Result of :func:`reliability`, or a sum of several.

    Returns
    -------
    float
        0 to 1.
    """
    number, expected, true = counts
    return float(np.abs(expected - true).sum() / number.sum())
