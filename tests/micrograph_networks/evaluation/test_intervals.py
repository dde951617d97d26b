import math

import numpy as np
import pytest

from micrograph_networks.evaluation.intervals import largest_share, ratio_interval, share_interval


def test_share_intervals_are_wilsons():
    # Wilson's score by hand for 17 of 40.
    z, share, n = 1.959964, 17 / 40, 40
    center = (share + z**2 / 2 / n) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / 4 / n**2)
    assert share_interval(17, 40) == pytest.approx((center - half, center + half), abs=1e-5)
    assert share_interval(0, 0) == (0, 1)
    assert share_interval(0, 5)[0] == 0


def test_none_of_forty_is_less_than_seven_percent():
    assert largest_share(40) == pytest.approx(0.0722, abs=1e-4)
    assert (1 - largest_share(40)) ** 40 == pytest.approx(0.05)


def test_ratio_intervals_cover_the_truth(rng):
    hits = 0
    for _ in range(40):
        sizes = rng.poisson(20, 50)
        low, high = ratio_interval(rng.poisson(0.3 * sizes), sizes)
        hits += low <= 0.3 <= high
    assert hits >= 33


def test_ratio_intervals_of_too_little_are_unknown():
    for counts, sizes in (([], []), ([1], [2]), ([0, 0], [0, 0])):
        assert np.isnan(ratio_interval(counts, sizes)).all()
    assert ratio_interval([0, 0], [3, 4]) == (0, 0)
