import numpy as np
import pytest

from micrograph_networks.errors import UserError
from segment.annotations.masks import black_and_white, palette, recoded
from segment.classes import CLASSES

COLORS = {"background": (0, 0, 0), "blood cell": (255, 0, 0), "spirochaete": (0, 0, 255)}


@pytest.fixture
def indices(rng):
    return rng.integers(0, 3, (30, 41)).astype(np.uint8)


def test_colors_become_indices_without_losing_a_pixel(indices):
    known = palette(CLASSES, [f"{name}={r},{g},{b}" for name, (r, g, b) in COLORS.items()])
    colored = np.array(list(COLORS.values()), dtype=np.uint8)[indices]
    np.testing.assert_array_equal(recoded(colored, known), indices)
    alpha = np.concatenate([colored, np.full((30, 41, 1), 200, np.uint8)], axis=2)
    np.testing.assert_array_equal(recoded(alpha, known), indices)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_gray_values_become_indices_and_black_is_background(indices, dtype):
    values = np.array([0, 255, 128]).astype(dtype)[indices]
    known = palette(CLASSES, ["blood cell=255", "spirochaete=128"])
    np.testing.assert_array_equal(recoded(values, known), indices)
    as_color = np.repeat(values[..., None], 3, axis=2)
    np.testing.assert_array_equal(recoded(as_color, known), indices)


def test_indices_and_booleans_are_taken_as_they_are(indices):
    np.testing.assert_array_equal(recoded(indices, palette(CLASSES, [])), indices)
    cells = indices == 1
    np.testing.assert_array_equal(recoded(cells, palette(CLASSES, [])), cells)


def test_chosen_classes_are_white(indices):
    known = palette(CLASSES, [])
    white = recoded(indices, black_and_white(known, CLASSES, ["blood cell", "spirochaete"]))
    np.testing.assert_array_equal(white, np.where(indices > 0, 255, 0))
    assert white.dtype == np.uint8
    with pytest.raises(UserError, match="'cell' is not one of the classes"):
        black_and_white(known, CLASSES, ["cell"])


def test_unknown_values_are_named(indices):
    indices[4, 7] = 9
    with pytest.raises(UserError, match="1 pixels .* row 4 and column 7, is 9"):
        recoded(indices, palette(CLASSES, []))
    for array in (indices.astype(np.float32), indices.astype(np.int32), indices[None, ..., None]):
        with pytest.raises(UserError, match="A mask of"):
            recoded(array, palette(CLASSES, []))


@pytest.mark.parametrize(
    ("colors", "message"),
    [
        (["platelet=1"], "names none"),
        (["255"], "names none"),
        (["blood cell=red"], "not of the form"),
        (["blood cell=1,2"], "not of the form"),
        (["blood cell=70000"], "not of the form"),
        (["blood cell=1", "spirochaete=1,1,1"], "second class"),
    ],
)
def test_wrong_colors_are_named(colors, message):
    with pytest.raises(UserError, match=message):
        palette(CLASSES, colors)
