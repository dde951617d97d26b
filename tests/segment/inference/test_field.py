import numpy as np
import pytest
from scipy import ndimage

from segment.inference import label_images
from segment.inference.field import picture_area, unblended

HEIGHT, WIDTH = 90, 120
ROWS, COLUMNS = np.ogrid[:HEIGHT, :WIDTH]


@pytest.fixture
def picture(rng):
    """Noisy dark background with a bright cell in the middle, uint8 (height, width, 3)."""
    image = rng.normal(25, 3, (HEIGHT, WIDTH, 3))
    image[disk(45, 60, 12)] += 150
    return image.astype(np.uint8)


def disk(row, column, radius):
    return np.hypot(ROWS - row, COLUMNS - column) <= radius


def bars(top=0, bottom=0, left=0, right=0):
    inside = np.zeros((HEIGHT, WIDTH), bool)
    inside[top : HEIGHT - bottom, left : WIDTH - right] = True
    return ~inside


def area_of(image, valid=None):
    valid = np.ones(image.shape[:2], bool) if valid is None else valid
    return picture_area(image, valid)


def painted(image, region, color):
    image = image.copy()
    image[region] = color
    return image


def assert_masked(image, margins):
    """Check that the margins are masked, and nothing else."""
    np.testing.assert_array_equal(area_of(image), ~margins)


def assert_untouched(image):
    assert area_of(image).all()


MARGINS = {
    "left and right": bars(left=3, right=3),
    "one thin side": bars(bottom=1),
    "one side": bars(top=20),
    "all sides": bars(5, 5, 5, 5),
    "round": ~disk(45, 60, 44),
    "round, cut at two sides": ~disk(45, 60, 55),
    "corners": ~disk(47, 58, 68),
    "octagon": np.abs(ROWS - 45) + np.abs(COLUMNS - 60) > 80,
    "rotated": (np.abs(ROWS - 45 - (COLUMNS - 60) / 9) > 35),
}


@pytest.mark.parametrize("margins", MARGINS.values(), ids=MARGINS)
@pytest.mark.parametrize("color", [0, 255, (0, 90, 20)], ids=["black", "white", "green"])
def test_margins_are_no_part_of_the_picture(picture, margins, color):
    assert_masked(painted(picture, margins, color), margins)


@pytest.mark.parametrize(
    "convert",
    [
        lambda image: image[..., :1],
        lambda image: image.astype(np.uint16) * 16,
        lambda image: (image / 255).astype(np.float32),
        lambda image: image / 255 - 0.5,
    ],
    ids=["gray", "12 bits", "float", "negative"],
)
def test_margins_of_other_types_of_images(picture, convert):
    margins = MARGINS["round"]
    assert_masked(convert(painted(picture, margins, 0)), margins)


def test_text_and_a_scale_bar_in_a_margin_are_part_of_it(picture):
    margins = bars(bottom=20)
    image = painted(picture, margins, 0)
    image[76:79, 20:60] = 255
    image[82:87, 30:50:3] = 255
    assert_masked(image, margins)


def test_frames_and_margins_of_two_colors_are_found_one_after_the_other(picture):
    margins = bars(12, 12, 12, 12)
    framed = painted(picture, margins, 0)
    assert_masked(painted(framed, bars(8, 8, 8, 8), 255), margins)
    both = painted(painted(picture, bars(left=9, right=9), 0), bars(top=9, bottom=9), 255)
    area = area_of(both)
    assert not area[bars(9, 9, 9, 9)].any()
    assert area[~bars(11, 11, 11, 11)].all()


def test_round_fields_in_wide_images_are_found(picture):
    wide = np.concatenate([picture, picture[:, ::-1]], axis=1)[:, :200]
    margins = np.hypot(ROWS - 45, np.arange(200) - 100) > 44
    assert_masked(painted(wide, margins, 0), margins)


def test_saturated_cells_may_touch_a_white_margin(picture):
    margins = bars(top=6, bottom=6)
    area = area_of(painted(painted(picture, disk(8, 60, 9), 255), margins, 255))
    assert not area[margins].any()
    assert area[~bars(top=7, bottom=7)].all()


def test_an_edge_may_be_blended(picture):
    margins = MARGINS["all sides"]
    image = painted(picture, margins, 0)
    edge = ndimage.binary_dilation(margins) & ~margins
    image[edge] //= 2
    assert_masked(image, margins)
    valid = np.ones((HEIGHT, WIDTH), bool)
    np.testing.assert_array_equal(unblended(~margins, valid), ~bars(7, 7, 7, 7))
    # Only the edge of a margin is blended, not that of a mask.
    valid[:30] = False
    np.testing.assert_array_equal(unblended(valid, valid), valid)


def cells_on_black(count, rng):
    image = np.zeros((HEIGHT, WIDTH))
    for _ in range(count):
        image[disk(rng.uniform(0, HEIGHT), rng.uniform(0, WIDTH), rng.uniform(5, 12))] = 200
    return np.dstack([image] * 3).astype(np.uint8)


@pytest.mark.parametrize("count", [0, 1, 5, 20, 80])
def test_cells_on_clipped_black_are_no_picture(count, rng):
    assert_untouched(cells_on_black(count, rng))


@pytest.mark.parametrize("radius, blur", [(30, 0), (38, 0), (43, 2), (60, 2)])
def test_a_huge_cell_on_clipped_black_is_no_picture(radius, blur, rng):
    cell = ndimage.gaussian_filter(200.0 * disk(45, 60, radius), blur) * rng.normal(1, 0.05)
    assert_untouched(np.dstack([np.maximum(cell - 3, 0)] * 3).astype(np.uint8))


@pytest.mark.parametrize("row, column", [(0, 60), (0, 0), (-9, -9), (89, 119), (45, 119)])
@pytest.mark.parametrize("radius", [14, 20])
def test_saturated_cells_at_the_border_are_no_margins(picture, row, column, radius):
    assert_untouched(painted(picture, disk(row, column, radius), 255))


@pytest.mark.parametrize("noise", [0, 2])
@pytest.mark.parametrize("fall", ["corner", "circle"])
def test_light_that_fades_to_clipped_black_is_no_margin(fall, noise, rng):
    distance = np.hypot(ROWS - 45, COLUMNS - 60)
    light = ROWS + COLUMNS - 40 if fall == "corner" else 80 * np.exp(-((distance / 40) ** 2)) - 15
    image = np.maximum(light + rng.normal(0, noise, (3, HEIGHT, WIDTH)), 0)
    assert_untouched(np.moveaxis(image, 0, 2).astype(np.uint8))


@pytest.mark.parametrize("unit", [1, 1 / 255])
def test_regions_of_one_gray_level_in_a_smooth_image_are_no_margins(unit):
    levels = 12 + np.floor(4 * np.exp(-((np.hypot(ROWS - 45, COLUMNS - 60) / 60) ** 2)))
    assert_untouched(np.dstack([levels] * 3) * unit)


def test_what_has_no_convex_picture_has_no_margins(picture):
    assert_untouched(picture)
    assert_untouched(painted(picture, (ROWS < 45) & (COLUMNS < 60), 0))
    assert_untouched(painted(picture, 30 + 8 * np.sin(ROWS / 5) > COLUMNS, 0))
    assert_untouched(painted(picture, bars(20, 20, 30, 30), 0))
    dots = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    dots[::7, ::9] = 255
    assert_untouched(dots)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 50, 1), (50, 2, 3), (15, 400, 3)])
def test_tiny_and_uniform_images_have_no_margins(shape):
    image = np.zeros(shape, np.uint8)
    assert_untouched(image)
    image[:, shape[1] // 3 :] = 255
    assert_untouched(image)
    assert not area_of(image, np.zeros(shape[:2], bool)).any()


def test_pixels_that_are_not_valid_have_no_influence(picture, rng):
    margins = bars(left=20)
    image = painted(picture, margins, 0)
    valid = ~bars(10, 10, 10, 10)
    expected = valid & ~bars(left=20)
    np.testing.assert_array_equal(area_of(image, valid), expected)
    noise = rng.integers(0, 255, image.shape, dtype=np.uint8)
    other = np.where(valid[..., None], image, noise)
    np.testing.assert_array_equal(area_of(other, valid), expected)
    # A mask that leaves out the margin stays as it is.
    inside = ~margins & ~disk(45, 60, 10)
    np.testing.assert_array_equal(area_of(image, inside), inside)
    missing = np.where(disk(45, 90, 15)[..., None], np.nan, image)
    finite = np.isfinite(missing[..., 0])
    np.testing.assert_array_equal(area_of(missing, finite), finite & ~bars(left=20))


def test_large_images_are_judged_in_every_nth_pixel(picture, monkeypatch):
    margins = MARGINS["round"]
    image = painted(picture, margins, 0)
    monkeypatch.setattr(label_images, "PIXELS_AT_ONCE", HEIGHT * WIDTH)
    large = np.kron(image, np.ones((3, 3, 1), np.uint8))
    judged = ~ndimage.binary_dilation(margins, label_images.EIGHT)
    expected = np.kron(judged, np.ones((3, 3), bool))
    np.testing.assert_array_equal(area_of(large[:-1]), expected[:-1])
