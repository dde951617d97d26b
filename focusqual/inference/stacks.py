"""Comparison of the planes of a stack to find the one in focus."""

from typing import Tuple

import numpy as np

HALF_WEIGHT = 0.05
"""Certainty at which a plane has half of the weight: blank planes have less, others more."""
FITTED_LEVELS = 3.0
"""Planes up to so many levels above the best one show where the best focus is."""
FEWEST_FITTED = 5
"""Fewest planes of which a parabola has an error."""


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


def best_focus(positions: np.ndarray, levels: np.ndarray) -> Tuple[float, float]:
    """Return the position of best focus between planes and its standard error.

    It is the vertex of the parabola that fits the levels of the best plane and of the planes next
    to it up to FITTED_LEVELS above, at least FEWEST_FITTED of them. The error is propagated from
    the residuals (Bevington and Robinson 2003, Data Reduction and Error Analysis, section 7.2).

    Parameters
    ----------
    positions : ndarray of float, (planes,)
        In any order and unit.
    levels : ndarray of float, (planes,)
        See :func:`weighted_level`; NaN if a plane was not measured.

    Returns
    -------
    position, error : float
        NaN if fewer than FEWEST_FITTED planes are known, two of them have the same position, or the
        best focus is not between the planes.
    """
    known = np.isfinite(levels) & np.isfinite(positions)
    order = np.argsort(positions[known], kind="stable")
    positions, levels = positions[known][order], levels[known][order]
    count = len(levels)
    if count < FEWEST_FITTED or not np.diff(positions).all():
        return np.nan, np.nan
    best = int(np.argmin(levels))
    above = np.flatnonzero(levels > levels[best] + FITTED_LEVELS)
    first = max(above[above < best], default=-1) + 1
    last = min(above[above > best], default=count)
    while last - first < FEWEST_FITTED:
        # Take the better of the planes next to those that are fitted.
        if last == count or (first > 0 and levels[first - 1] <= levels[last]):
            first -= 1
        else:
            last += 1
    x, y = positions[first:last], levels[first:last]
    center, scale = x.mean(), np.ptp(x)
    design = np.vander((x - center) / scale, 3)
    curve, slope, offset = np.linalg.lstsq(design, y, rcond=None)[0]
    vertex = center - scale * slope / (2 * curve) if curve > 0 else np.nan
    if not x[0] <= vertex <= x[-1]:
        return np.nan, np.nan
    residuals = design @ [curve, slope, offset] - y
    covariance = residuals @ residuals / (len(x) - 3) * np.linalg.inv(design.T @ design)
    gradient = np.array([slope / curve, -1, 0]) / (2 * curve)
    return float(vertex), float(scale * np.sqrt(gradient @ covariance @ gradient))


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
