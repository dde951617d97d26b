"""Comparison of the planes of a stack to find the one in focus."""

import numpy as np

HALF_WEIGHT = 0.05
"""Certainty at which a plane has half of the weight: blank planes have less, others more."""


def weighted_level(expected_level: np.ndarray, certainty: np.ndarray) -> np.ndarray:
    """Return the expected levels of the planes of a stack, moved to their mean in blank planes.

    ``(c e + h m) / (c + h)`` for a plane of certainty c and expected level e, where h is
    HALF_WEIGHT and m the mean level of the stack weighted by certainty. A blank plane counts as an
    average one, neither the best nor the worst.

    Parameters
    ----------
    expected_level, certainty : ndarray of float, (planes,)
        NaN if a plane could not be measured.

    Returns
    -------
    ndarray of float, (planes,)
        0 to 10; NaN if the plane was not measured.
    """
    level = np.asarray(expected_level, dtype=float)
    certainty = np.asarray(certainty, dtype=float)
    known = np.isfinite(level) & np.isfinite(certainty)
    level = np.where(known, level, np.nan)
    weights = certainty[known] + 1e-9
    mean = np.sum(weights * level[known]) / max(weights.sum(), 1e-9)
    return (certainty * level + HALF_WEIGHT * mean) / (certainty + HALF_WEIGHT)


def rank_planes(expected_level: np.ndarray, certainty: np.ndarray) -> np.ndarray:
    """Rank the planes of a stack by :func:`weighted_level`.

    Parameters
    ----------
    expected_level, certainty : ndarray of float, (planes,)
        NaN if a plane could not be measured.

    Returns
    -------
    ndarray of float, (planes,)
        1 for the plane most in focus; ties are resolved in favor of the first. NaN for planes that
        were not measured.
    """
    level = weighted_level(expected_level, certainty)
    ranks = np.argsort(np.argsort(level, kind="stable")) + 1
    return np.where(np.isnan(level), np.nan, ranks)
