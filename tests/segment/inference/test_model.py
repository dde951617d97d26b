import numpy as np
import pytest
from support import CELL_MODELS, filled

from micrograph_networks.errors import UserError
from micrograph_networks.models.weights_file import Weights, write_weights
from segment import load_model
from segment.classes import (
    BLACK,
    CELLS,
    CLASSES,
    FILAMENTS,
    NOTHING,
    PALETTE,
    PixelClass,
    pixel_classes,
)
from segment.inference.network import UNET_VGG16_1, unet_vgg16

ATTRIBUTES = {"class_names": CLASSES, "working_size": 640, "cell_diameter": 50.0}


@pytest.fixture(scope="module")
def zeros():
    return filled(unet_vgg16(3))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.h5"


def write(path, layers, **changed):
    write_weights(path, Weights(UNET_VGG16_1, layers, {**ATTRIBUTES, **changed}))


def test_a_model_knows_what_its_file_says(zeros, path):
    write(path, zeros)
    model = load_model(path)
    assert (model.name, model.card) == (str(path), None)
    assert (model.classes, model.working_size, model.cell_diameter) == (
        pixel_classes(CLASSES, {}, {}),
        640,
        50.0,
    )
    images = np.zeros((1, 32, 64, 3), np.float32)
    probabilities = model.tiles.run(lambda network, size: network(images))
    np.testing.assert_allclose(probabilities, np.full((1, 32, 64, 3), 1 / 3), rtol=1e-6)


def test_the_newest_shipped_model_is_the_default():
    model = load_model()
    assert model.name == CELL_MODELS[-1].name
    assert model.card == CELL_MODELS[-1].card


def test_a_file_may_lack_kinds_and_colors_of_its_classes(zeros, path):
    expected = (
        PixelClass("background", NOTHING, BLACK),
        PixelClass("blood cell", CELLS, PALETTE[0]),
        PixelClass("spirochaete", FILAMENTS, PALETTE[1]),
    )
    write(path, zeros)
    assert load_model(path).classes == expected
    write(path, zeros, class_names=["night", "platelet", "fiber"])
    kinds = [(one.name, one.kind) for one in load_model(path).classes]
    assert kinds == [("night", NOTHING), ("platelet", CELLS), ("fiber", CELLS)]


def test_a_file_describes_its_classes(zeros, path):
    colors = [[0, 0, 0], [1, 0.5, 0], [0, 0, 1]]
    write(path, zeros, class_kinds=[NOTHING, NOTHING, FILAMENTS], class_colors=colors)
    model = load_model(path)
    assert [one.kind for one in model.classes] == [NOTHING, NOTHING, FILAMENTS]
    assert [list(one.color) for one in model.classes] == colors
    write(path, zeros, class_kinds=[NOTHING] * 3)
    with pytest.raises(UserError, match=r"a\.h5: None of its classes becomes objects"):
        load_model(path)


def test_weights_that_lack_classes_are_refused(zeros, path):
    write(path, zeros, class_names=["background", "blood cell"])
    with pytest.raises(UserError, match=r"a\.h5: Its arrays are not those of segment-unet-vgg16-1"):
        load_model(path)


@pytest.mark.parametrize(
    "changed",
    [
        *({"class_names": ["a", "a"]}, {"class_names": ["a"]}, {"class_names": 3}),
        *({"class_names": [1, 2, 3]}, {"working_size": 0}, {"working_size": 1e9}),
        *({"working_size": None}, {"cell_diameter": "x"}, {"cell_diameter": -1}),
        {"cell_diameter": float("nan")},
        *({"class_kinds": ["nothing"]}, {"class_kinds": 3}, {"class_kinds": ["a", "b", [1]]}),
        *({"class_colors": [1, 2, 3]}, {"class_colors": [[0, 0, 2]] * 3}, {"class_colors": "a"}),
    ],
)
def test_unusable_attributes_are_refused(zeros, path, changed):
    write(path, zeros, **changed)
    with pytest.raises(UserError, match=r"a\.h5.* holds (an )?unusable"):
        load_model(path)
