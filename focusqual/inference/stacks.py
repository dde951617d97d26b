"""Planes of a stack beside each other: which is the one in focus."""

import numpy as np

HALF_KNOWN = 0.05
"""Certainty of a plane that counts as half known: blank ones have less, ones in focus more."""


def weighed_level(expected_level: np.ndarray, certainty: np.ndarray) -> np.ndarray:
    """Expected levels of the planes of a stack, those that show nothing drawn to their mean.

    ``(c e + h m) / (c + h)`` of a plane of certainty c and expected level e, where h is HALF_KNOWN
    and m the mean of the stack weighed by certainty: a blank plane counts as an average one,
    neither as the best nor as the worst.

    Parameters
    ----------
    expected_level, certainty : ndarray of float, (planes,)
        NaN where an image could not be measured.

    Returns
    -------
    ndarray of float, (planes,)
        0 to 10; NaN where the plane was not measured.
    """
    level = np.asarray(expected_level, dtype=float)
    certainty = np.asarray(certainty, dtype=float)
    known = np.isfinite(level)
    weights = certainty[known] + 1e-9
    mean = np.sum(weights * level[known]) / max(weights.sum(), 1e-9)
    return (certainty * level + HALF_KNOWN * mean) / (certainty + HALF_KNOWN)


def rank_planes(expected_level: np.ndarray, certainty: np.ndarray) -> np.ndarray:
    """Rank the planes of a stack by :func:`weighed_level`.

    Parameters
    ----------
    expected_level, certainty : ndarray of float, (planes,)
        NaN where an image could not be measured.

    Returns
    -------
    ndarray of int, (planes,)
        1 for the plane most in focus, each number once; of equal planes the first comes first, and
        those that were not measured come last.
    """
    order = np.argsort(weighed_level(expected_level, certainty), kind="stable")
    ranks = np.empty(len(order), dtype=int)
    ranks[order] = np.arange(1, len(order) + 1)
    return ranks
