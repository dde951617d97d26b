import numpy as np
import pytest
from skimage.draw import line

from segment.inference.filaments import label_filaments, path_length, skeleton_path
from segment.inference.options import SegmentationOptions

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
