"""How well probabilities agree with how often they are right."""

import numpy as np

BINS = 15
"""Of probability, in which calibration is judged."""


def reliability(probability: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Count how often something is true, by the probability of it; counts can be added.

    Parameters
    ----------
    probability : ndarray of float, any shape
        0 to 1.
    truth : ndarray of bool, same shape

    Returns
    -------
    ndarray of float, (3, 15)
        In bins of equal width in probability: how many there are, the sum of their probabilities,
        and how many are true.
    """
    probability = probability.ravel()
    place = np.minimum((probability * BINS).astype(int), BINS - 1)
    sums = (np.bincount(place, weights, BINS) for weights in (None, probability, truth.ravel()))
    return np.stack(list(sums))


def expected_calibration_error(counts: np.ndarray) -> float:
    """Mean gap between the probability of something and how often it is true.

    Guo et al. 2017, On calibration of modern neural networks, section 2, eq. 3.

    Parameters
    ----------
    counts : ndarray, (3, 15)
        Of :func:`reliability`, or a sum of several.

    Returns
    -------
    float
        0 to 1.
    """
    number, expected, true = counts
    return float(np.abs(expected - true).sum() / number.sum())
