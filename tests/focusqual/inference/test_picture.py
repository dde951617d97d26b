import numpy as np
import pytest
from skimage.color import rgb2lab
from support import measure

from focusqual.inference.options import UNIFORM
from focusqual.inference.picture import annotate, level_colors


def test_hue_shows_the_level_and_lightness_the_certainty():
    in_focus, half, out_of_focus, unknown = level_colors([0, 0, 10, 10], [1, 0.5, 1, 0])
    assert in_focus.argmax() == 2
    np.testing.assert_allclose(unknown, [0.3] * 3)  # also visible on black
    np.testing.assert_allclose(half, (in_focus + unknown) / 2)
    np.testing.assert_allclose(out_of_focus, [1, 0, 0], atol=1e-9)


DEUTERANOPIA = [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.011820, 0.042940, 0.968881],
]
"""Linear RGB as people without green cones see it (Machado et al. 2009)."""


@pytest.mark.parametrize("vision", [np.eye(3), DEUTERANOPIA])
def test_levels_of_the_uniform_palette_look_equally_different(vision):
    colors = level_colors(np.arange(11), np.ones(11), UNIFORM)
    linear = np.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4)
    seen = (linear @ np.transpose(vision)).clip(0, 1)
    seen = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    lab = rgb2lab(seen)
    steps = np.linalg.norm(np.diff(lab, axis=0), axis=1)
    assert steps.min() > 0.75 * steps.max() > 7
    assert np.ptp(lab[:, 0]) < 6


def test_each_counted_patch_has_a_border(fly_images):
    image = fly_images["01_POS002_D.TIF"][:168, :168]
    mask = np.ones(image.shape, bool)
    mask[:84, :84] = False
    measurement = measure(image, mask)
    picture = annotate(image, measurement)
    assert picture.dtype == np.float32
    assert 0 <= picture.min() <= picture.max() <= 1
    colors = level_colors(measurement.level, measurement.certainty)
    np.testing.assert_allclose(picture[84, 30], colors[1, 0], rtol=1e-5)
    np.testing.assert_allclose(picture[165, 165], colors[1, 1], rtol=1e-5)
    assert (picture[:74, :74] == picture[:74, :74, :1]).all()


@pytest.mark.parametrize("offset", [0, 300])
def test_contrast_is_stretched_between_percentiles(offset):
    image = offset + np.arange(84.0 * 84).reshape(84, 84)
    image[40, 40] = np.inf
    low, high = np.percentile(image[image < np.inf], [0.5, 99.8])
    inside = (slice(20, 60), slice(20, 60))
    picture = annotate(image, measure(image))
    assert picture[40, 40, 0] == 0
    expected = ((image - low) / (high - low))[inside]
    expected[20, 20] = 0
    np.testing.assert_allclose(picture[inside], np.dstack([expected] * 3), rtol=1e-5)
    halves = image > np.median(image)
    np.testing.assert_array_equal(annotate(halves, measure(image))[inside][..., 1], halves[inside])


@pytest.mark.parametrize("image", [np.full((1, 1), np.nan), np.ones((9, 9, 3), bool)])
def test_unusual_images_are_drawn(image):
    assert np.isfinite(annotate(image, measure(image))).all()


def test_borders_are_wider_in_large_images(rng):
    image = np.zeros((84, 1200))
    picture = annotate(image, measure(rng.random(image.shape)))
    assert (picture[42, :4] > 0).any(axis=1).all()
    assert not picture[42, 4:80].any()
