"""Scores of predicted level distributions."""

from typing import Dict

import numpy as np

from focusqual.inference.measurement import certainty
from focusqual.levels import LEVELS
from micrograph_networks.evaluation import calibration


def cumulative_truth(levels: np.ndarray) -> np.ndarray:
    """Return the cumulative distributions of known levels, float32 (n, 11)."""
    return (np.arange(LEVELS) >= np.asarray(levels)[:, None]).astype(np.float32)


def confidence_counts(probabilities: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Count how often the most likely level is right, in bins of its probability.

    The result is that of :func:`micrograph_networks.evaluation.calibration.reliability`.
    """
    right = probabilities.argmax(axis=1) == levels
    return calibration.reliability(probabilities.max(axis=1), right)


def prediction_scores(probabilities: np.ndarray, levels: np.ndarray) -> Dict[str, float]:
    """Return the scores of a set of predictions.

    Parameters
    ----------
    probabilities : ndarray, (n, 11)
    levels : ndarray of int, (n,)
        True levels.

    Returns
    -------
    dict of str to float
        ``exact`` and ``within_one``: shares of predictions, 0 to 1; ``mean_absolute_error`` in
        levels; ``cross_entropy`` in nats; ``ranked_probability_score``: mean squared difference
        between predicted and true cumulative distribution, 0 (perfect) to 1 (Epstein 1969, A
        scoring system for probability forecasts of ranked categories);
        ``expected_calibration_error`` of the most likely level, 0 to 1; mean ``certainty``.
    """
    error = np.abs(probabilities.argmax(axis=1) - levels)
    likelihood = probabilities[np.arange(len(levels)), levels]
    cumulative_error = probabilities.cumsum(axis=1) - cumulative_truth(levels)
    counts = confidence_counts(probabilities, levels)
    return {
        "exact": float(np.mean(error == 0)),
        "within_one": float(np.mean(error <= 1)),
        "mean_absolute_error": float(np.mean(error)),
        "cross_entropy": float(-np.mean(np.log(np.maximum(likelihood, 1e-12)))),
        "ranked_probability_score": float(np.mean(cumulative_error**2)),
        "expected_calibration_error": calibration.expected_calibration_error(counts),
        "certainty": float(certainty(probabilities).mean()),
    }
