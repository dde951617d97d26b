import numpy as np

from segment.classes import COLORS
from segment.inference.picture import outlines, overlay


def test_touching_objects_have_a_line_each():
    labels = np.zeros((8, 10), int)
    labels[2:6, 1:5], labels[2:6, 5:9] = 1, 2
    lines = outlines(labels)
    inside = np.zeros((8, 10), bool)
    inside[3:5, 2:4] = inside[3:5, 6:8] = True
    np.testing.assert_array_equal(lines, (labels > 0) & ~inside)


def test_lines_are_wider_in_larger_images():
    for length, width in ((500, 1), (1200, 3), (9000, 5)):
        labels = np.zeros((20, length), int)
        labels[:, length // 2 :] = 1
        assert outlines(labels)[10, : length - 10].sum() == width


def test_outlines_are_drawn_on_the_image_as_the_network_saw_it(rng):
    image = rng.integers(0, 65535, (300, 40), dtype=np.uint16)
    cells, spirochaetes = np.zeros((2, 300, 40), int)
    cells[20:30, 10:20], spirochaetes[260:263, 5:35] = 1, 1
    picture = overlay(image, [(cells, COLORS[1]), (spirochaetes, COLORS[2])])
    assert picture.dtype == np.uint8
    colors = np.rint(255 * np.array(COLORS))
    assert picture[20, 10].tolist() == colors[1].tolist()
    assert picture[260, 5].tolist() == colors[2].tolist()
    untouched = ~outlines(cells) & ~outlines(spirochaetes)
    np.testing.assert_array_equal(
        picture[untouched], np.repeat(np.rint(image / 257)[untouched][:, None], 3, axis=1)
    )


def test_nan_is_black():
    image = np.full((5, 5, 3), np.nan)
    assert not overlay(image, [(np.zeros((5, 5), int), COLORS[1])]).any()
