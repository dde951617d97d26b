import math

import numpy as np
import pytest

from segment.evaluation.matching import Matches, _assigned, match_cells, match_filaments

SHAPE = (100, 140)


def disk(y, x, radius):
    rows, cols = np.ogrid[: SHAPE[0], : SHAPE[1]]
    return (rows - y) ** 2 + (cols - x) ** 2 <= radius**2


def label_image(*regions):
    labels = np.zeros(SHAPE, np.int32)
    for number, region in enumerate(regions, 1):
        labels[region] = number
    return labels


def bar(row, start, stop, height=5):
    region = np.zeros(SHAPE, bool)
    region[row : row + height, start:stop] = True
    return region


def test_precision_recall_and_f1():
    matches = Matches(true=4, found=6, matched=3)
    assert (matches.precision, matches.recall, matches.f1) == (0.5, 0.75, 0.6)
    nothing = Matches(0, 0, 0)
    assert all(map(math.isnan, (nothing.precision, nothing.recall, nothing.f1)))


def test_a_cell_is_found_at_half_the_union():
    truth = bar(10, 10, 50, height=20)
    # Bars of 20x40 pixels: the IoU is 0.538 for a shift of 12 columns and 0.481 for 14.
    for shift, matched in ((12, 1), (14, 0)):
        found = label_image(bar(10, 10 + shift, 50 + shift, height=20))
        assert match_cells(truth, found) == (1, 1, matched)


def test_each_cell_is_matched_once():
    left, right = bar(10, 10, 30, 20), bar(10, 40, 60, 20)
    assert match_cells(left | right, label_image(left, right)) == (2, 2, 2)
    # Two found cells share a true cell: one of them is false.
    halves = label_image(bar(10, 10, 24, 20), bar(10, 24, 30, 20))
    assert match_cells(left, halves) == (1, 2, 1)


def test_the_assignment_finds_most_pairs():
    """The best pair alone would leave the other true cell without a match."""
    rows, cols = _assigned(np.array([[0.9, 0.6], [0.55, 0.1]]), 0.5)
    assert list(zip(rows, cols)) == [(0, 1), (1, 0)]


def test_cells_that_touch_are_not_judged():
    pair = disk(50, 40, 15) | disk(50, 66, 15)
    alone, false = disk(20, 110, 12), disk(85, 120, 8)
    found = label_image(disk(50, 40, 15), disk(50, 66, 15) & ~disk(50, 40, 15), alone, false)
    assert match_cells(pair | alone, found) == (1, 2, 1)


@pytest.mark.parametrize(("inside", "counted"), [(20, 0), (19, 1)])
def test_found_cells_half_in_touching_cells_are_not_judged(inside, counted):
    pair = disk(50, 40, 15) | disk(50, 66, 15)
    rows, cols = np.nonzero(pair)
    outside = np.argwhere(~pair)[-(40 - inside) :]
    found = label_image()
    found[rows[:inside], cols[:inside]] = 1
    found[tuple(outside.T)] = 1
    assert match_cells(pair, found) == (0, counted, 0)


def match_all(truth, found):
    return match_filaments(truth, found, scale=1.0)[0]


def test_filaments_are_matched_by_their_skeletons():
    truth = bar(20, 10, 110, height=9)
    assert match_all(truth, label_image(bar(22, 12, 108, height=3))) == (1, 1, 1)
    assert match_all(truth, label_image(bar(27, 12, 108, height=3))) == (1, 1, 1)
    assert match_all(truth, label_image(bar(32, 12, 108, height=3))) == (1, 1, 0)
    # At least half of each must be near the other.
    assert match_all(truth, label_image(bar(22, 10, 70, height=3))) == (1, 1, 1)
    assert match_all(truth, label_image(bar(22, 10, 48, height=3))) == (1, 1, 0)
    assert match_all(bar(20, 10, 48), label_image(bar(20, 10, 110))) == (1, 1, 0)


def test_segments_may_be_one_filament_or_many():
    left, right = bar(20, 10, 50), bar(20, 56, 110)
    truth = bar(20, 10, 110)
    assert match_all(truth, label_image(left | right)) == (1, 1, 1)
    assert match_all(truth, label_image(left, right)) == (1, 2, 1)


@pytest.mark.parametrize("match", [match_cells, match_all])
def test_nothing_is_matched_with_nothing(match):
    nothing, thing = np.zeros(SHAPE, bool), bar(20, 10, 40)
    assert match(nothing, label_image()) == (0, 0, 0)
    assert match(thing, label_image()) == (1, 0, 0)
    assert match(nothing, label_image(thing)) == (0, 1, 0)


def test_crossing_filaments_are_two_in_the_mask_as_well():
    flat, steep = bar(48, 10, 110), bar(10, 58, 63, height=80)
    assert match_all(flat | steep, label_image(flat, steep & ~flat)) == (2, 2, 2)
    assert match_all(flat | steep, label_image(flat | steep)) == (2, 1, 1)


def test_round_and_short_true_objects_are_not_filamentous():
    thin, granule, short = bar(20, 10, 60), disk(60, 30, 6), bar(60, 100, 110)
    truth = thin | granule | short
    everything = label_image(thin, granule, short)
    assert match_filaments(truth, everything, 1.0) == ((3, 3, 3), (1, 1, 1))
    # A false one counts in both, and at a larger scale the short one is long enough.
    false = label_image(thin, bar(80, 10, 60))
    assert match_filaments(truth, false, 1.0) == ((3, 2, 1), (1, 2, 1))
    assert match_filaments(truth, false, 3.0)[1] == (2, 2, 1)
