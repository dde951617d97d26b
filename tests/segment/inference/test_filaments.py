import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree
from skimage.draw import line

from segment.inference.filaments import label_filaments
from segment.inference.options import SegmentationOptions
from segment.inference.skeletons import path_length, skeleton_path

SHAPE = (120, 160)
ANYTHING = SegmentationOptions(minimum_probability=0.0)


def stroke(*points, width=3):
    """Draw a line through points, (row, column), with a round brush."""
    drawn = np.zeros(SHAPE, bool)
    rows, cols = np.indices(SHAPE)
    for (y, x), (v, u) in zip(points, points[1:]):
        for row, col in zip(*line(y, x, v, u)):
            drawn |= np.hypot(rows - row, cols - col) <= (width - 1) / 2
    return drawn


def find(region, crossed=None, scale=1.0, probability=None, options=ANYTHING):
    probability = np.ones(SHAPE, np.float32) if probability is None else probability
    crossed = np.zeros(SHAPE, bool) if crossed is None else crossed
    return label_filaments(region, probability, crossed, scale, options)


def disk(y, x, radius):
    rows, cols = np.ogrid[: SHAPE[0], : SHAPE[1]]
    return (rows - y) ** 2 + (cols - x) ** 2 <= radius**2


@pytest.mark.parametrize("width", [1, 3, 7])
@pytest.mark.parametrize("end", [(20, 120), (90, 20), (80, 100), (50, 120), (60, 133)])
def test_a_line_is_as_long_and_as_wide_as_it_was_drawn(width, end):
    region = stroke((20, 20), end, width=width)
    found = find(region)
    true = np.hypot(end[0] - 20, end[1] - 20) + width
    np.testing.assert_allclose(found.lengths, [true], rtol=0.03, atol=1.5)
    assert region.sum() / found.lengths[0] == pytest.approx(width, rel=0.3)


def test_filaments_are_numbered_from_top_to_bottom_without_blobs_and_specks():
    low, high = stroke((100, 20), (100, 60)), stroke((10, 90), (30, 140))
    found = find(low | high | disk(60, 60, 12) | disk(60, 120, 2))
    np.testing.assert_array_equal(found.labels, high + 2 * low)
    assert found.labels.dtype == np.int32
    assert (found.lengths[0], found.lengths[1]) == pytest.approx((57, 43), rel=0.06)


def test_a_filament_that_is_broken_by_a_few_pixels_is_one():
    whole = stroke((20, 20), (60, 100))
    gap = disk(40, 60, 6)
    found = find(whole & ~gap)
    np.testing.assert_array_equal(found.labels, whole & ~gap)
    np.testing.assert_allclose(found.lengths, find(whole).lengths, rtol=0.03)


def test_a_filament_that_crosses_a_cell_is_one():
    whole, cell = stroke((40, 10), (50, 140)), disk(45, 75, 22)
    found = find(whole & ~cell, crossed=cell)
    np.testing.assert_array_equal(found.labels, whole & ~cell)
    np.testing.assert_allclose(found.lengths, find(whole).lengths, rtol=0.03)
    assert len(find(whole & ~cell).lengths) == 2


def test_an_empty_region_has_no_filament():
    found = find(np.zeros(SHAPE, bool))
    assert not found.labels.any()
    assert len(found.lengths) == len(found.means) == 0


def test_neighbors_that_do_not_point_to_each_other_are_two():
    beside = stroke((20, 20), (20, 80)) | stroke((28, 20), (28, 80))
    corner = stroke((60, 20), (60, 60)) | stroke((50, 68), (80, 68))
    assert len(find(beside).lengths) == 2
    assert len(find(corner).lengths) == 2


def test_an_end_is_joined_to_the_nearest_end_only():
    region = stroke((40, 10), (40, 50)) | stroke((40, 58), (40, 100)) | stroke((48, 62), (60, 100))
    found = find(region)
    assert len(found.lengths) == 2
    assert found.labels[40, 20] == found.labels[40, 90] != found.labels[60, 99] > 0


def test_short_and_unsure_filaments_are_left_out():
    short, long = stroke((10, 10), (10, 24)), stroke((40, 20), (40, 100))
    np.testing.assert_array_equal(find(short | long).labels, long)
    assert len(find(short | long, scale=2.0).lengths) == 2
    options = SegmentationOptions(minimum_probability=0.0, minimum_length=10)
    assert len(find(short | long, options=options).lengths) == 2
    probability = np.where(np.arange(SHAPE[0])[:, None] == 40, 0.9, 0.4) * np.ones(SHAPE)
    found = find(short | long, probability=probability, options=SegmentationOptions())
    # Along the skeleton, though the pixels beside it are unsure.
    np.testing.assert_allclose(found.means, [0.9])


def test_a_bend_is_measured_along_the_skeleton_from_end_to_end():
    bend = stroke((20, 20), (20, 80), (50, 120), width=5)
    np.testing.assert_allclose(find(bend).lengths, [110 + 5], rtol=0.05)
    path = skeleton_path(bend)
    assert np.abs(np.diff(path, axis=0)).max() == 1
    ends = {tuple(end) for end in (path[0], path[-1])}
    for end in ((20, 20), (50, 120)):
        assert min(np.hypot(*np.subtract(end, other)) for other in ends) < 5


def wavy(rng, length, turn=1.2):
    """Points of a curve half a pixel apart; its middle is at 0, its direction there along x."""
    along = np.arange(0, length, 0.5)
    bend = rng.uniform(-turn, turn) / 150
    wave = rng.uniform(0, 0.2) * np.sin(rng.uniform(6, 16) * along / length + rng.uniform(0, 6.3))
    heading = bend * along + wave
    middle = int(len(along) * rng.uniform(0.3, 0.7))
    steps = 0.5 * np.exp(1j * (heading - heading[middle]))
    points = np.cumsum(steps)
    return points - points[middle]


def ragged(rng, curves, widths, roughness=0.4):
    """Draw curves, complex numbers x + i y, with ragged outlines into a mask around them."""
    points = np.concatenate(curves)
    low = np.floor([points.imag.min(), points.real.min()]).astype(int) - 12
    high = np.ceil([points.imag.max(), points.real.max()]).astype(int) + 12
    pixels = np.moveaxis(np.indices(high - low), 0, -1) + low
    mask = np.zeros(high - low, bool)
    for curve, width in zip(curves, widths):
        distance, _ = cKDTree(np.transpose([curve.imag, curve.real])).query(pixels)
        noise = ndimage.gaussian_filter(rng.standard_normal(mask.shape), 1)
        mask |= distance <= width / 2 + roughness * np.clip(noise / noise.std(), -2, 2)
    return mask


def lengths_in(mask, scale=1.0):
    nothing = np.zeros(mask.shape, bool)
    return find(mask, nothing, scale, np.ones(mask.shape, np.float32)).lengths


def crossing_pair(rng, widths):
    """Curves that cross at 25 to 90 degrees; no end of one is covered by the other."""
    while True:
        turns = np.exp(1j * (rng.uniform(0, 6.3) + np.radians([0, rng.uniform(25, 90)])))
        one, other = (turn * wavy(rng, rng.uniform(40, 150)) for turn in turns)
        free = [np.abs(one - other[[0, -1], None]), np.abs(other - one[[0, -1], None])]
        if min(free[0].min(), free[1].min()) > sum(widths) / 2 + 2:
            return one, other


@pytest.mark.parametrize("factor, scenes", [(1, 60), (2, 20)])
def test_filaments_that_cross_are_two(rng, factor, scenes):
    right = 0
    for _ in range(scenes):
        widths = rng.uniform(3, 7, 2)
        pair = crossing_pair(rng, widths)
        mask = ragged(rng, factor * np.array(pair, dtype=object), factor * widths)
        lengths = lengths_in(mask, scale=1 / factor)
        true = factor * (np.array([np.abs(np.diff(curve)).sum() for curve in pair]) + widths)
        close = len(lengths) == 2 and np.abs(np.sort(lengths) / np.sort(true) - 1).max() < 0.15
        right += close
    assert right >= 0.95 * scenes


def test_a_single_filament_with_bumps_is_one(rng):
    single = 0
    for _ in range(100):
        width = rng.uniform(3, 7)
        curve = wavy(rng, rng.uniform(40, 150), turn=3) * np.exp(1j * rng.uniform(0, 6.3))
        bumps = rng.choice(curve, 2) + rng.normal(0, width / 3, (2, 2)) @ [1, 1j]
        widths = width * np.append(1, rng.uniform(1, 1.6, 2))
        mask = ragged(rng, [curve, bumps[:1], bumps[1:]], widths, rng.uniform(0.4, 0.7))
        single += len(lengths_in(mask)) == 1
    assert single >= 99


def test_both_of_two_filaments_run_through_their_crossing():
    falling, rising = stroke((20, 20), (100, 100), width=5), stroke((100, 30), (20, 90), width=5)
    found = find(falling | rising)
    np.testing.assert_array_equal(found.labels > 0, falling | rising)
    np.testing.assert_allclose(found.lengths, [113 + 5, 100 + 5], rtol=0.05)
    for own, number in ((falling, 1), (rising, 2)):
        assert np.mean(own[found.labels == number]) > 0.9
    probability = np.where(falling & rising, 0.1, 0.9).astype(np.float32)
    means = find(falling | rising, probability=probability).means
    assert np.all(means < 0.88) and np.all(means > 0.8)


def test_two_that_share_a_piece_are_two():
    """Their skeletons meet in two junctions with a bridge between them."""
    flat, steep = stroke((50, 10), (60, 150), width=7), stroke((75, 20), (35, 140), width=7)
    found = find(flat | steep)
    np.testing.assert_allclose(np.sort(found.lengths), [126 + 7, 140 + 7], rtol=0.05)
    # The bridge is longer than filaments are wide: they are side by side for 60 pixels.
    upper = stroke((20, 10), (58, 50), (58, 110), (20, 150), width=5)
    lower = stroke((100, 10), (62, 50), (62, 110), (100, 150), width=5)
    assert len(find(upper | lower).lengths) == 2


def test_one_that_ends_at_another_is_its_own():
    bar, stem = stroke((30, 20), (40, 140), width=5), stroke((36, 80), (100, 90), width=5)
    found = find(bar | stem)
    np.testing.assert_allclose(found.lengths, [120 + 5, 63 + 2.5], rtol=0.05)
    assert np.mean(bar[found.labels == 1]) > 0.97
    # A short one is a spur.
    spur = stroke((36, 80), (52, 82), width=5)
    np.testing.assert_array_equal(find(bar | spur).labels, bar | spur)
    np.testing.assert_allclose(find(bar | spur).lengths, find(bar).lengths, rtol=0.03)


def test_loops_are_one_and_measured_all_around():
    turns = np.linspace(-0.7, 4.5, 40)
    circle = np.rint(np.transpose([60 - 25 * np.sin(turns), 80 + 25 * np.cos(turns)])).astype(int)
    points = [(110, 60), *circle[::-1], (110, 100)]
    length = np.linalg.norm(np.diff(points, axis=0), axis=1).sum() + 5
    np.testing.assert_allclose(find(stroke(*points, width=5)).lengths, [length], rtol=0.06)
    ring = stroke(*circle, circle[0], width=3)
    np.testing.assert_allclose(find(ring).lengths, [50 * np.pi], rtol=0.06)


def test_three_that_cross_at_a_point_are_three():
    region = (
        stroke((60, 20), (60, 140)) | stroke((10, 50), (110, 110)) | stroke((110, 52), (12, 108))
    )
    np.testing.assert_allclose(np.sort(find(region).lengths), [116, 120, 123], rtol=0.05)


def test_length_of_a_digital_line():
    """The estimate is unbiased over all directions, and within 3 per cent in each."""
    ratios = []
    for angle in np.linspace(0, np.pi / 2, 50):
        end = np.rint(100 * np.array([np.sin(angle), np.cos(angle)])).astype(int)
        path = np.transpose(line(0, 0, *end))
        ratios.append(path_length(path) / np.hypot(*end))
    assert np.mean(ratios) == pytest.approx(1, abs=0.005)
    assert np.ptp(ratios) < 0.05
    assert path_length(np.array([[3, 4]])) == 0
