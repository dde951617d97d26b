import numpy as np

from micrograph_networks.evaluation.ranking import area_under_curve


def test_area_under_curve():
    assert area_under_curve(np.array([0.9, 0.8]), np.array([0.1, 0.2])) == 1
    assert area_under_curve(np.ones(2), np.ones(2)) == 0.5
    assert np.isnan(area_under_curve(np.ones(2), np.ones(0)))
