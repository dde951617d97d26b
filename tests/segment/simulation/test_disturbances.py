import numpy as np
import pytest

from segment.classes import BACKGROUND, BLOOD_CELL
from segment.simulation import disturbances
from segment.simulation.disturbances import DISTURBANCES, disturb
from segment.simulation.scenes import darkfield_scene

DRAWINGS = [
    *(drawing for drawing, _ in DISTURBANCES),
    disturbances.margins,
    disturbances.round_field,
    disturbances.octagonal_field,
]
OVER_THE_PICTURE = [
    disturbances.margins,
    disturbances.scale_bar,
    disturbances.label,
    disturbances.time_stamp,
    disturbances.arrows,
    disturbances.frames,
]
IN_THE_LIGHT = [
    disturbances.distant_discs,
    disturbances.dust,
    disturbances.uneven_illumination,
    disturbances.color_cast,
    disturbances.bright_background,
    disturbances.sharpening,
]


@pytest.fixture(scope="module")
def scene():
    return darkfield_scene(np.random.default_rng(4), (160, 200))


@pytest.mark.parametrize("drawing", DRAWINGS)
def test_a_drawing_changes_new_arrays(scene, drawing):
    given, differs = (scene.image.copy(), scene.classes.copy()), []
    for seed in range(8):
        image, mask = drawing(*given, np.random.default_rng(seed))
        assert (image.shape, image.dtype) == (given[0].shape, np.uint8)
        assert (mask.shape, mask.dtype) == (given[1].shape, np.uint8)
        again = drawing(*given, np.random.default_rng(seed))
        np.testing.assert_array_equal(image, again[0])
        np.testing.assert_array_equal(mask, again[1])
        differs.append((image != given[0]).any())
    assert sum(differs) > 5
    np.testing.assert_array_equal(given[0], scene.image)
    np.testing.assert_array_equal(given[1], scene.classes)


@pytest.mark.parametrize("drawing", OVER_THE_PICTURE)
def test_what_covers_the_picture_is_background(drawing):
    color = np.array([100, 130, 160], dtype=np.uint8)  # unlike every ink, and every mixture of two
    picture, cells = np.tile(color, (160, 200, 1)), np.full((160, 200), BLOOD_CELL, np.uint8)
    covered = 0
    for seed in range(20):
        image, mask = drawing(picture, cells, np.random.default_rng(seed))
        changed = (image != color).any(axis=2)
        assert changed[mask == BACKGROUND].all()
        ink = (image.min(axis=2) == 0) | (image.min(axis=2) == 255)
        assert (mask[ink] == BACKGROUND).all()
        covered += ink.any()
    assert covered > 10


@pytest.mark.parametrize("drawing", IN_THE_LIGHT)
def test_what_changes_the_light_keeps_the_mask(scene, drawing, rng):
    _, mask = drawing(scene.image, scene.classes, rng)
    np.testing.assert_array_equal(mask, scene.classes)


def test_margins_have_exactly_one_gray(scene):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        image, mask = disturbances.margins(scene.image, scene.classes + 1, rng)
        margin = image[mask == BACKGROUND]
        assert len(margin)
        assert len(np.unique(margin)) == 1
        np.testing.assert_array_equal(image[mask > 0], scene.image[mask > 0])


def test_outside_of_a_field_is_dark_or_white(scene):
    for drawing in (disturbances.round_field, disturbances.octagonal_field):
        for seed in range(20):
            image, mask = drawing(scene.image, scene.classes + 1, np.random.default_rng(seed))
            outside = image[mask == BACKGROUND]
            assert (outside < 30).all() or (outside == 255).all()


def test_most_crops_see_a_part_of_the_edge_of_a_field(scene):
    for drawing in (disturbances.round_field, disturbances.octagonal_field):
        shares = [
            (drawing(scene.image, scene.classes + 1, np.random.default_rng(seed))[1] > 0).mean()
            for seed in range(40)
        ]
        assert np.mean([0.3 < share < 0.99 for share in shares]) > 0.7


def test_a_seam_shifts_image_and_mask_together(rng):
    mask = np.tile(np.repeat(np.arange(20, dtype=np.uint8), 8), (160, 1))
    image = np.repeat(mask[..., None] * 10, 3, axis=2)
    for _ in range(10):
        drawn, shifted = disturbances.seam(image, mask, rng)
        changed = np.flatnonzero((drawn != image).any(axis=(1, 2)))
        if len(changed):
            row = changed[-1]
            order = drawn[row, np.argsort(shifted[row], kind="stable"), 0].astype(int)
            assert (np.diff(order) >= 0).all()


def test_a_blank_field_holds_nothing(scene, rng):
    image, mask = disturbances.blank_field(scene.image, scene.classes, rng)
    assert (mask == BACKGROUND).all()
    assert image.std() < 0.7 * scene.image.std()


def test_most_crops_stay_as_they_are(scene, rng):
    kept = [disturb(scene.image, scene.classes, rng)[0] is scene.image for _ in range(200)]
    assert 0.65 < np.mean(kept) < 0.85
