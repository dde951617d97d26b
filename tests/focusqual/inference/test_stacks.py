import numpy as np
import pytest

from focusqual.inference.stacks import rank_planes, weighted_level


def test_a_blank_plane_counts_as_an_average_one():
    level, certainty = np.array([2.0, 6.0, 0.5]), np.array([0.45, 0.45, 0.0])
    np.testing.assert_allclose(weighted_level(level, certainty), [2.2, 5.8, 4], atol=1e-6)
    assert rank_planes(level, certainty).tolist() == [1, 3, 2]


def test_certainty_does_not_outweigh_the_level_of_planes_that_show_something():
    # A plane in focus is often less certain than those beside it.
    assert rank_planes([2.2, 2.9, 6.0], [0.2, 0.5, 0.4]).tolist() == [1, 2, 3]


def test_equal_planes_keep_their_order_and_unrated_ones_come_last():
    level = np.array([np.nan, 3.0, 3.0, 1.0])
    assert rank_planes(level, np.array([np.nan, 0.4, 0.4, 0.4])).tolist() == [4, 2, 3, 1]


@pytest.mark.parametrize("level", [[], [np.nan], [4.0]])
def test_small_stacks_have_ranks(level):
    assert rank_planes(np.array(level), np.array(level)).tolist() == [1][: len(level)]


def test_all_planes_uncertain_are_ranked_alike():
    assert rank_planes(np.array([5.0, 4.0]), np.zeros(2)).tolist() == [1, 2]
