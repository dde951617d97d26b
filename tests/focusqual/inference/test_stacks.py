import numpy as np
import pytest

from focusqual.inference.stacks import rank_planes, weighted_level

NAN = float("nan")


def test_a_blank_plane_counts_as_an_average_one():
    level, certainty = np.array([2.0, 6.0, 0.5]), np.array([0.45, 0.45, 0.0])
    np.testing.assert_allclose(weighted_level(level, certainty), [2.2, 5.8, 4], atol=1e-6)


@pytest.mark.parametrize(
    "level, certainty, ranks",
    [
        ([2.0, 6.0, 0.5], [0.45, 0.45, 0], [1, 3, 2]),
        # A plane in focus is often less certain than its neighbors.
        ([2.2, 2.9, 6], [0.2, 0.5, 0.4], [1, 2, 3]),
        # Ties keep their order, and planes that were not measured have no rank.
        ([NAN, 3, 3, 1], [NAN, 0.4, 0.4, 0.4], [NAN, 2, 3, 1]),
        ([-np.inf, 3, 1, 2], [0.4, 0.4, NAN, 0.4], [NAN, 2, NAN, 1]),
        ([5, 4], [0, 0], [1, 2]),
        ([4], [0.5], [1]),
        ([NAN], [NAN], [NAN]),
        ([], [], []),
    ],
)
def test_ranks(level, certainty, ranks):
    np.testing.assert_array_equal(rank_planes(np.array(level), np.array(certainty)), ranks)
