import numpy as np
import pytest
from support import CELL_MODELS, NARROW, filled

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
    declared_classes,
)
from segment.inference.network import unet_vgg16, width_attributes

NETWORK = unet_vgg16(3, NARROW)
ATTRIBUTES = {
    "class_names": list(CLASSES),
    "working_size": 640,
    "cell_diameter": 50.0,
    **width_attributes(NARROW),
}
TEXTURES = {"means": [1] * 8, "deviations": [1] * 8, "limit": 1}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.h5"


def write(path, **changed):
    weights = Weights(NETWORK.architecture, filled(NETWORK), {**ATTRIBUTES, **changed})
    write_weights(path, weights)


def test_a_model_has_the_attributes_of_its_file(path):
    write(path)
    model = load_model(path)
    assert (model.name, model.card) == (str(path), None)
    assert (model.working_size, model.cell_diameter) == (640, 50.0)
    assert model.classes == declared_classes(ATTRIBUTES)
    images = np.zeros((1, 32, 64, 3), np.float32)
    probabilities = model.tiles.run(lambda network, size: network(images))
    np.testing.assert_allclose(probabilities, np.full((1, 32, 64, 3), 1 / 3), rtol=1e-6)


def test_the_newest_shipped_model_is_the_default():
    model = load_model()
    assert model.name == CELL_MODELS[-1].name
    assert model.card == CELL_MODELS[-1].card


def test_a_file_may_describe_its_classes():
    assert declared_classes(ATTRIBUTES) == (
        PixelClass("background", NOTHING, BLACK),
        PixelClass("blood cell", CELLS, PALETTE[0]),
        PixelClass("spirochaete", FILAMENTS, PALETTE[1]),
    )
    colors = [(0, 0, 0), (1, 0.5, 0), (0, 0, 1)]
    kinds = [NOTHING, NOTHING, FILAMENTS]
    classes = declared_classes({**ATTRIBUTES, "class_kinds": kinds, "class_colors": colors})
    assert [one.kind for one in classes] == kinds
    assert [one.color for one in classes] == colors


@pytest.mark.parametrize(
    "changed, problem",
    [
        (
            {"class_names": ["background", "blood cell"]},
            "Its arrays are not those of segment-unet-vgg16-2",
        ),
        ({"class_kinds": [NOTHING] * 3}, "None of its classes becomes objects"),
        ({"class_names": ["a", "a"]}, "unusable class names"),
        ({"class_names": 3}, "unusable class names"),
        ({"class_names": [1, 2, 3]}, "unusable class names"),
        ({"working_size": 0}, "unusable scale"),
        ({"working_size": None}, "unusable scale"),
        ({"cell_diameter": "x"}, "unusable scale"),
        ({"cell_diameter": float("nan")}, "unusable scale"),
        ({"class_kinds": 3}, "unusable kinds"),
        ({"class_kinds": ["a", "b", [1]]}, "unusable kinds"),
        ({"class_colors": "a"}, "unusable class colors"),
        ({"class_colors": [[0, 0, 2]] * 3}, "unusable class colors"),
        ({"encoder_channels": None}, "unusable numbers of channels"),
        ({"decoder_channels": [1e9] * 5}, "unusable numbers of channels"),
        ({"encoder_channels": ["4"] * 5}, "unusable numbers of channels"),
        ({"usual_textures": 3}, "unusable textures"),
        ({"usual_textures": {"means": [1] * 8, "deviations": [1] * 8}}, "unusable textures"),
        ({"usual_textures": {**TEXTURES, "means": [1] * 7}}, "unusable textures"),
        ({"usual_textures": {**TEXTURES, "deviations": [1] * 7 + [0]}}, "unusable textures"),
        ({"usual_textures": {**TEXTURES, "limit": float("nan")}}, "unusable textures"),
        ({"usual_textures": {**TEXTURES, "limit": "x"}}, "unusable textures"),
    ],
)
def test_unusable_attributes_are_refused(path, changed, problem):
    write(path, **changed)
    with pytest.raises(UserError, match=rf"a\.h5: .*{problem}"):
        load_model(path)
