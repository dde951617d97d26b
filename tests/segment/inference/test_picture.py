import numpy as np

from segment.classes import CLASSES, PALETTE, pixel_classes
from segment.inference.normalization import to_rgb
from segment.inference.picture import name_objects, outlines, overlay


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


def test_color_images_keep_their_colors():
    image = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    picture = overlay(image, [(np.zeros((30, 40), int), PALETTE[0])])
    np.testing.assert_array_equal(picture, np.rint(to_rgb(image)))


def test_numbers_are_at_the_centers_of_objects_and_a_legend_in_the_corner():
    cells = np.zeros((400, 600), int)
    cells[100:160, 100:160], cells[300:360, 500:560] = 1, 2
    _, cell, spirochaete = pixel_classes(CLASSES, {}, {})
    black = np.zeros((400, 600, 3), np.uint8)
    drawn = name_objects(black, [(cells, cell), (0 * cells, spirochaete)]).any(axis=2)
    assert not black.any()
    (first, second, legend) = drawn[100:160, 100:160], drawn[300:360, 500:560], drawn[:60, :300]
    assert drawn.sum() == first.sum() + second.sum() + legend.sum()
    assert not np.array_equal(first, second)
    rows, columns = np.nonzero(first)
    np.testing.assert_allclose([np.ptp(rows) / 2 + rows.min()], 30, atol=2)
    np.testing.assert_allclose([np.ptp(columns) / 2 + columns.min()], 30, atol=2)
    found = name_objects(black, [(cells, cell), (0 * cells, spirochaete)])[:60, :300]
    for one in (cell, spirochaete):
        color = np.rint(255 * np.array(one.color))
        assert (found == color).all(axis=2).any()
