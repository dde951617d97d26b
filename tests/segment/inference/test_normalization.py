import numpy as np
import pytest

from micrograph_networks.errors import UserError
from segment.inference.normalization import LEAST_CONTRAST, measure_exposure, normalize, to_rgb
from segment.simulation.scenes import darkfield_scene

SCENE = darkfield_scene(np.random.default_rng(3), (240, 320)).image
WIDE = SCENE.astype(np.float64)
BAD_SHAPES = ((5,), (0, 5), (5, 0, 3), (3, 4, 5), (2, 3, 4, 3))


@pytest.mark.parametrize(
    "image",
    [
        SCENE.astype(np.uint16) * 257,
        SCENE.astype(np.uint16),
        SCENE.astype(np.uint16) * 16,
        SCENE.astype(np.int16) - 300,
        SCENE.astype(np.int64) + 2**40,
        WIDE / 255,
        WIDE / 65535,
        (WIDE / 255).astype(np.float32),
        WIDE / 255 * 4095 / 65535,
        4 * WIDE - 1000,
        np.dstack([SCENE, np.full(SCENE.shape[:2], 7, np.uint8)]),
    ],
)
def test_factor_offset_and_dtype_do_not_matter(image):
    rgb = to_rgb(image)
    assert rgb.dtype == np.float32
    np.testing.assert_allclose(rgb, to_rgb(SCENE), atol=0.01)


@pytest.mark.parametrize("factor", [1 / 4, 1 / 16])
def test_dark_8_bit_images_differ_only_by_rounding(factor):
    darker = np.rint(SCENE * factor).astype(np.uint8)
    assert np.abs(to_rgb(darker) - to_rgb(SCENE)).mean() < 255 / (SCENE.max() * factor)


def test_black_is_the_background_and_white_the_brightest_objects():
    rgb = to_rgb(SCENE)
    assert rgb.min() == 0 and rgb.max() == 255
    assert (rgb.max(axis=2) == 255).mean() > 0.0005
    assert np.median(rgb) < 30


@pytest.mark.parametrize("level, noise", [(0, 0.3), (100, 3), (2000, 60)])
def test_noise_of_an_empty_image_remains_dark(level, noise):
    rng = np.random.default_rng(0)
    image = rng.normal(level, noise, (200, 300)).clip(0).round().astype(np.uint16)
    assert np.percentile(to_rgb(image), 99) < 60


@pytest.mark.parametrize("noise", [3, 60])
def test_the_least_contrast_is_a_multiple_of_the_noise(noise):
    image = np.random.default_rng(0).normal(2000, noise, (400, 400, 3))
    black, white = measure_exposure(image)
    assert (white - black) / LEAST_CONTRAST == pytest.approx(noise, rel=0.03)


def test_hot_pixels_do_not_darken_the_image():
    hot = WIDE.copy()
    hot[::60, ::60] = 1e5
    usual = hot != 1e5
    np.testing.assert_allclose(to_rgb(hot)[usual], to_rgb(WIDE)[usual], atol=3)


@pytest.mark.parametrize("dtype, white", [(np.uint8, 255), (bool, True), (float, 1)])
def test_a_drawing_of_two_values_is_black_and_white(dtype, white):
    image = np.zeros((40, 40), dtype)
    image[5:9] = white
    assert np.unique(to_rgb(image)).tolist() == [0, 255]


@pytest.mark.parametrize("image", [np.zeros((40, 40)), np.full((40, 40, 3), 77, np.uint8)])
def test_a_constant_image_is_black(image):
    assert not to_rgb(image).any()


def test_nan_and_infinity_do_not_influence_the_exposure():
    image = WIDE.copy()
    image[:9, :200], image[200:, 300:] = np.nan, np.inf
    assert measure_exposure(image) == pytest.approx(measure_exposure(WIDE), abs=3)
    assert np.isnan(to_rgb(image)[:9, :200]).all()
    assert measure_exposure(np.full((3, 3, 3), np.nan)) == (0, 0)


def test_a_part_of_an_image_has_its_exposure():
    part = to_rgb(SCENE[50:60], measure_exposure(SCENE))
    np.testing.assert_array_equal(part, to_rgb(SCENE)[50:60])


def test_gray_is_repeated():
    gray = SCENE[:, :, 1]
    expected = to_rgb(gray)
    assert (expected == expected[:, :, :1]).all() and expected.any()
    for image in (gray[:, :, None], np.dstack([gray, gray * 0])):
        np.testing.assert_array_equal(to_rgb(image), expected)


def test_the_networks_input_is_bgr_without_the_means():
    found = normalize(np.array([123.68, 116.779, 104.939], dtype=np.float32))
    np.testing.assert_allclose(found, [1, 0, 0], atol=1e-4)
    assert found.dtype == np.float32


@pytest.mark.parametrize("shape", BAD_SHAPES)
def test_stacks_and_empty_images_are_refused(shape):
    with pytest.raises(UserError, match="empty, or neither gray nor color"):
        to_rgb(np.zeros(shape))
