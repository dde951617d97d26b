import numpy as np
import pytest

from focusqual.inference.stacks import best_focus, rank_planes, weighted_level

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


@pytest.mark.parametrize("step, noise", [(0.25, 0.1), (0.5, 0.25), (1, 0.25), (2.5, 0.25)])
def test_best_focus_is_found_between_planes(step, noise):
    """Of 300 stacks whose levels have a floor, an end and noise; steps are in depths of field."""
    rng = np.random.default_rng(0)
    errors, claimed, nearest = [], [], []
    positions = step * np.arange(-8, 9)
    for focus, floor in zip(rng.uniform(-2, 2, 300) * step, rng.uniform(0.3, 1.2, 300)):
        levels = np.minimum(np.hypot(floor, positions - focus), 9.6)
        levels = levels + rng.normal(0, noise, levels.size)
        found, error = best_focus(positions, levels)
        errors.append(found - focus)
        claimed.append(error)
        nearest.append(positions[np.argmin(levels)] - focus)
    assert np.std(errors) < 0.5 * np.std(nearest)
    assert np.mean(np.abs(errors) < np.array(claimed)) > 0.6
    assert np.mean(np.abs(errors) < 2 * np.array(claimed)) > 0.9


@pytest.mark.parametrize(
    "levels", [[1, 2, 3, 4], [1, 2, NAN, 3, 4], [1, 2, 3, 4, 5, 6], [3, 3, 3, 3, 3], [NAN] * 6]
)
def test_best_focus_outside_of_the_planes_is_not_known(levels):
    assert np.isnan(best_focus(np.arange(len(levels)), np.array(levels, float))).all()
