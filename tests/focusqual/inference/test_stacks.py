import numpy as np
import pytest
from scipy.optimize import curve_fit

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
        ([5] * 40, [0.4] * 40, list(range(1, 41))),
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


def test_the_error_of_best_focus_is_that_of_a_fitted_parabola():
    positions, levels = np.arange(2.0, 9), np.array([5, 3.1, 2.2, 2, 2.4, 3, 4.7])

    def parabola(x, vertex, curve, lowest):
        return curve * (x - vertex) ** 2 + lowest

    expected, covariance = curve_fit(parabola, positions, levels, (4, 1, 2))
    found = best_focus(positions, levels)
    np.testing.assert_allclose(found, (expected[0], np.sqrt(covariance[0, 0])), rtol=1e-4)


@pytest.mark.parametrize(
    "levels, fitted",
    [
        ([9, 9.6, 5, 3, 2, 2.5, 4.9, 9.6, 3], range(2, 7)),
        ([5, 3, 2, 2.5, 5], range(5)),
        # At least five planes are fitted, the best of those next to the window.
        ([9, 6, 2, 1, 5, 8], range(1, 6)),
        ([9, 8, 5, 1, 2, 6], range(1, 6)),
        ([9, 6, 2, 1, 6, 8], range(1, 6)),
        ([8, 6, 6, 1, 6, 8, 9], range(5)),
        ([8, 5, 1, 2, 7, 9], range(5)),
        ([8, NAN, 5, 1, 2, 7, 9], [0, 2, 3, 4, 5]),
    ],
)
def test_planes_far_above_the_best_one_are_not_fitted(levels, fitted):
    positions, levels = np.arange(10.0, 10 + len(levels)), np.array(levels, dtype=float)
    fitted = list(fitted)
    found = best_focus(positions, levels)
    assert np.isfinite(found).all()
    assert found == best_focus(positions[fitted], levels[fitted])
    unknown = np.append(positions, NAN), np.append(levels, 0)
    assert best_focus(*unknown) == found


@pytest.mark.parametrize(
    "levels", [[1, 2, 3, 4], [1, 2, NAN, 3, 4], [1, 2, 3, 4, 5, 6], [3, 3, 3, 3, 3], [NAN] * 6]
)
def test_best_focus_outside_of_the_planes_is_not_known(levels):
    assert np.isnan(best_focus(np.arange(len(levels)), np.array(levels, float))).all()


def test_best_focus_does_not_depend_on_the_order_of_the_planes():
    levels = np.array([4.0, 2, 1, 2, 4, 6])
    order = [3, 0, 5, 1, 4, 2]
    np.testing.assert_array_equal(
        best_focus(np.arange(6)[order], levels[order]), best_focus(np.arange(6), levels)
    )


@pytest.mark.parametrize("positions", [[5, 5, 5, 5, 5, 5], [0, 1, 1, 2, 3, 4]])
def test_best_focus_of_planes_at_one_position_is_not_known(positions):
    assert np.isnan(best_focus(np.array(positions), np.array([4.0, 2, 1, 2, 4, 6]))).all()
