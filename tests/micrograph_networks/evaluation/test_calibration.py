import numpy as np
import pytest

from micrograph_networks.evaluation.calibration import expected_calibration_error, reliability


def test_calibration_error_of_known_probabilities(rng):
    probability = np.repeat([0.25, 0.9], 5000).reshape(100, 100)
    truth = rng.random((100, 100)) < probability
    half = slice(0, 50), slice(50, 100)
    counts = sum(reliability(probability[rows], truth[rows]) for rows in half)
    assert counts[0].sum() == 10000
    assert expected_calibration_error(counts) < 0.02
    wrong = reliability(probability, np.ones_like(truth))
    assert expected_calibration_error(wrong) == pytest.approx((0.75 + 0.1) / 2)
    assert expected_calibration_error(reliability(truth * 1.0, truth)) == 0
