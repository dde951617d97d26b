import numpy as np
import pytest

from focusqual.evaluation.scores import (
    expected_calibration_error,
    f_score,
    prediction_scores,
    ranked_probability_score,
)


def one_hot(levels):
    return np.eye(11)[levels]


def test_ranked_probability_score_knows_distance():
    truth = np.array([3])
    assert ranked_probability_score(one_hot([3]), truth) == 0
    assert ranked_probability_score(one_hot([4]), truth) == pytest.approx(1 / 11)
    assert ranked_probability_score(one_hot([7]), truth) == pytest.approx(4 / 11)


def test_calibration_error_is_the_gap_between_confidence_and_accuracy():
    sure = np.full((10, 11), 0.02)
    sure[:, 0] = 0.8
    levels = np.array([0] * 8 + [5] * 2)
    assert expected_calibration_error(sure, levels) == pytest.approx(0, abs=1e-6)
    levels = np.array([0] * 3 + [5] * 7)
    assert expected_calibration_error(sure, levels) == pytest.approx(0.5)


def test_f_score():
    truth = np.array([1, 1, 1, 0, 0], bool)
    prediction = np.array([1, 1, 0, 1, 0], bool)
    assert f_score(truth, prediction) == pytest.approx(2 / 3)
    assert f_score(truth, ~truth) == 0


def test_summary_of_known_predictions():
    figures = prediction_scores(one_hot([0, 1, 5, 9]), np.array([0, 2, 5, 5]))
    assert figures["exact"] == 0.5
    assert figures["within_one"] == 0.75
    assert figures["mean_absolute_error"] == 1.25
    assert figures["certainty"] == pytest.approx(1, abs=1e-6)
