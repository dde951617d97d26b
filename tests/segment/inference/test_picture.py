import numpy as np

from segment.classes import PALETTE
from segment.inference.picture import outlines, overlay


def test_touching_objects_have_a_line_each():
    labels = np.zeros((8, 10), int)
    labels[2:6, 1:5], labels[2:6, 5:9] = 1, 2
    inside = np.zeros((8, 10), bool)
    inside[3:5, 2:4] = inside[3:5, 6:8] = True
    np.testing.assert_array_equal(outlines(labels), (labels > 0) & ~inside)


def test_lines_are_wider_in_larger_images():
    for length, width in ((500, 1), (1200, 3), (9000, 5)):
        labels = np.zeros((20, length), int)
        labels[:, length // 2 :] = 1
        assert outlines(labels)[10, : length - 10].sum() == width


def test_outlines_are_drawn_on_the_image():
    image = np.linspace(0, 1, 12000).reshape(300, 40)
    image[0, 0] = np.nan
    cells, spirochaetes = np.zeros((2, 300, 40), int)
    cells[20:30, 10:20], spirochaetes[260:263, 5:35] = 1, 1
    picture = overlay(image, [(cells, PALETTE[0]), (spirochaetes, PALETTE[1])])
    assert picture.dtype == np.uint8
    colors = np.rint(255 * np.array(PALETTE))
    assert picture[20, 10].tolist() == colors[0].tolist()
    assert picture[260, 5].tolist() == colors[1].tolist()
    untouched = ~outlines(cells) & ~outlines(spirochaetes)
    expected = np.rint(255 * np.nan_to_num(image))[untouched]
    np.testing.assert_allclose(picture[untouched], expected[:, None] * np.ones(3), atol=4)
