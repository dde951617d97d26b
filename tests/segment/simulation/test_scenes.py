import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt, label

from segment.classes import BACKGROUND, BLOOD_CELL, SPIROCHAETE
from segment.simulation.scenes import MOST_CELLS, STROKE, darkfield_scene


@pytest.fixture(scope="module")
def scenes():
    rng = np.random.default_rng(0)
    return [darkfield_scene(rng, (240, 320)) for _ in range(24)]


def test_equal_generators_draw_equal_scenes_and_others_do_not():
    first, again, other = (
        darkfield_scene(np.random.default_rng(seed), (96, 128)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.classes, again.classes)
    assert (first.image != other.image).any()


@pytest.mark.parametrize("shape", [(480, 640), (300, 200), (65, 64), (40, 200)])
def test_shape_and_dtype(rng, shape):
    scene = darkfield_scene(rng, shape)
    assert scene.image.shape == (*shape, 3)
    assert scene.classes.shape == shape
    assert scene.image.dtype == scene.classes.dtype == np.uint8


def test_counts_say_what_the_mask_holds(scenes):
    for scene in scenes:
        assert label(scene.classes == BLOOD_CELL)[1] <= scene.cells <= MOST_CELLS
        assert (scene.cells > 0) == (scene.classes == BLOOD_CELL).any()
        assert scene.spirochaetes or not (scene.classes == SPIROCHAETE).any()
    assert {scene.cells > 20 for scene in scenes} == {True, False}
    assert {scene.spirochaetes > 0 for scene in scenes} == {True, False}


def test_cells_have_the_sizes_of_photographs(scenes):
    """0.117 of the longer side by the median; overlaps and the border take from the areas."""
    areas = [(s.classes == BLOOD_CELL).sum() / s.cells for s in scenes if s.cells]
    diameters = 2 * np.sqrt(np.array(areas) / np.pi) / 320
    assert 0.085 < np.median(diameters) < 0.13
    assert diameters.min() > 0.03 and diameters.max() < 0.3


def test_objects_are_brighter_than_the_dark_bluish_background(scenes):
    darks = [np.median(scene.image[scene.classes == BACKGROUND], axis=0) for scene in scenes]
    red, green, blue = np.median(darks, axis=0)
    assert red < blue < 60 and green < 60
    for scene, dark in zip(scenes, darks):
        for index in (BLOOD_CELL, SPIROCHAETE):
            if (scene.classes == index).sum() > 200:
                assert scene.image[scene.classes == index].mean() > dark.mean()


def test_spirochaetes_are_strokes_of_the_stated_width():
    scenes = (darkfield_scene(np.random.default_rng(seed), (240, 320)) for seed in range(200))
    scene = next(scene for scene in scenes if scene.spirochaetes == 1 and not scene.cells)
    depth = distance_transform_edt(scene.classes == SPIROCHAETE).max()
    assert STROKE * 320 / 2 <= depth < STROKE * 320
