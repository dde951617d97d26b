import numpy as np
import pytest

from focusqual.evaluation.scores import prediction_scores


@pytest.mark.parametrize("predicted, expected", [(3, 0), (4, 1 / 11), (7, 4 / 11)])
def test_ranked_probability_score_grows_with_distance(predicted, expected):
    scores = prediction_scores(np.eye(11)[[predicted]], np.array([3]))
    assert scores["ranked_probability_score"] == pytest.approx(expected)


@pytest.mark.parametrize("right, gap", [(8, 0), (3, 0.5)])
def test_calibration_error_is_the_gap_between_confidence_and_accuracy(right, gap):
    confident = np.full((10, 11), 0.02)
    confident[:, 0] = 0.8
    levels = np.array([0] * right + [5] * (10 - right))
    scores = prediction_scores(confident, levels)
    assert scores["expected_calibration_error"] == pytest.approx(gap, abs=1e-6)


def test_scores_of_known_predictions():
    scores = prediction_scores(np.eye(11)[[0, 1, 5, 9]], np.array([0, 2, 5, 5]))
    assert scores["exact"] == 0.5
    assert scores["within_one"] == 0.75
    assert scores["mean_absolute_error"] == 1.25
    assert scores["certainty"] == pytest.approx(1, abs=1e-6)
