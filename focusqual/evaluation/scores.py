"""How good predicted level distributions are."""

from typing import Dict, Tuple

import numpy as np
from scipy.stats import rankdata

from focusqual.inference.measurement import certainty
from focusqual.levels import LEVELS
from micrograph_networks.evaluation import calibration


def ranked_probability_score(probabilities: np.ndarray, levels: np.ndarray) -> float:
    """Mean ranked probability score, a proper score for ordered classes; 0 is perfect.

    Mean over the levels of the squared difference between predicted and true cumulative
    distribution (Epstein 1969, A scoring system for probability forecasts of ranked categories).

    Parameters
    ----------
    probabilities : ndarray, (n, 11)
    levels : ndarray of int, (n,)

    Returns
    -------
    float
        0 to 1.
    """
    return float(np.mean((probabilities.cumsum(axis=1) - cumulative_truth(levels)) ** 2))


def cumulative_truth(levels: np.ndarray) -> np.ndarray:
    """Cumulative distribution of known levels.

    Parameters
    ----------
    levels : ndarray of int, (n,)

    Returns
    -------
    ndarray of float32, (n, 11)
        1 from the true level on, 0 below.
    """
    return (np.arange(LEVELS) >= np.asarray(levels)[:, None]).astype(np.float32)


def expected_calibration_error(probabilities: np.ndarray, levels: np.ndarray) -> float:
    """Mean gap between the confidence in the most likely level and how often it is right.

    Parameters
    ----------
    probabilities : ndarray, (n, 11)
    levels : ndarray of int, (n,)

    Returns
    -------
    float
        0 to 1.
    """
    return calibration.expected_calibration_error(_confidence_counts(probabilities, levels))


def reliability(
    probabilities: np.ndarray, levels: np.ndarray
) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Confidence and accuracy in bins of confidence, as in a reliability diagram.

    Returns
    -------
    counts, confidence, accuracy : ndarray, (15,)
        Means are 0 in empty bins.
    """
    counts, *sums = _confidence_counts(probabilities, levels)
    confidence, accuracy = (total / np.maximum(counts, 1) for total in sums)
    return counts, confidence, accuracy


def _confidence_counts(probabilities: np.ndarray, levels: np.ndarray) -> np.ndarray:
    right = probabilities.argmax(axis=1) == levels
    return calibration.reliability(probabilities.max(axis=1), right)


def prediction_scores(probabilities: np.ndarray, levels: np.ndarray) -> Dict[str, float]:
    """The scores of a set of predictions.

    Parameters
    ----------
    probabilities : ndarray, (n, 11)
    levels : ndarray of int, (n,)

    Returns
    -------
    dict of str to float
        exact and within_one accuracy, mean_absolute_error in levels, cross_entropy in nats,
        ranked_probability_score, expected_calibration_error, mean certainty.
    """
    error = np.abs(probabilities.argmax(axis=1) - levels)
    likelihood = probabilities[np.arange(len(levels)), levels]
    return {
        "exact": float(np.mean(error == 0)),
        "within_one": float(np.mean(error <= 1)),
        "mean_absolute_error": float(np.mean(error)),
        "cross_entropy": float(-np.mean(np.log(np.maximum(likelihood, 1e-12)))),
        "ranked_probability_score": ranked_probability_score(probabilities, levels),
        "expected_calibration_error": expected_calibration_error(probabilities, levels),
        "certainty": float(certainty(probabilities).mean()),
    }


def f_score(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Harmonic mean of precision and recall.

    Parameters
    ----------
    truth, prediction : ndarray of bool, (n,)

    Returns
    -------
    float
        0 to 1; 0 where nothing was found rightly.
    """
    right = np.sum(truth & prediction)
    return float(2 * right / max(np.sum(truth) + np.sum(prediction), 1))


def area_under_curve(truth: np.ndarray, values: np.ndarray) -> float:
    """Area under the receiver operating characteristic: how often a true one has the larger value.

    Mann and Whitney's U divided by the number of pairs; ties count as half.

    Parameters
    ----------
    truth : ndarray of bool, (n,)
        Both values occur.
    values : ndarray, (n,)

    Returns
    -------
    float
        0 to 1; 0.5 by chance.
    """
    positive, negative = np.sum(truth), np.sum(~truth)
    above = rankdata(values)[truth].sum() - positive * (positive + 1) / 2
    return float(above / (positive * negative))
