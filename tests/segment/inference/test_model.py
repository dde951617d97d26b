import numpy as np
import pytest

from micrograph_networks.errors import UserError
from micrograph_networks.models.weights_file import Weights, write_weights
from segment.classes import CLASSES
from segment.inference.model import load_model
from segment.inference.network import ARCHITECTURE, layer_shapes

ATTRIBUTES = {"class_names": CLASSES, "working_size": 640, "cell_diameter": 50.0}


@pytest.fixture(scope="module")
def layers():
    found = {}
    for (layer, name), shape in layer_shapes(3).items():
        found.setdefault(layer, {})[name] = np.zeros(shape, np.float16)
    return found


def test_a_file_is_loaded_once_and_again_when_it_changed(layers, tmp_path):
    path = tmp_path / "a.h5"
    write_weights(path, Weights(ARCHITECTURE, layers, ATTRIBUTES))
    model = load_model(path)
    assert (model.class_names, model.working_size, model.cell_diameter) == (CLASSES, 640, 50.0)
    assert load_model(str(path)) is model
    assert load_model(path, bfloat16=True) is load_model(path, bfloat16=True) is not model
    probabilities = model.network(np.zeros((1, 32, 64, 3), np.float32))
    np.testing.assert_allclose(probabilities, np.full((1, 32, 64, 3), 1 / 3), rtol=1e-6)
    write_weights(path, Weights(ARCHITECTURE, layers, {**ATTRIBUTES, "working_size": 512}))
    assert load_model(path).working_size == 512


def test_unusable_files_are_named(layers, tmp_path):
    path = tmp_path / "a.h5"
    write_weights(path, Weights(ARCHITECTURE, layers, {"class_names": CLASSES}))
    with pytest.raises(UserError, match="a.h5 lacks 'working_size'"):
        load_model(path)
    write_weights(path, Weights(ARCHITECTURE, layers, {**ATTRIBUTES, "class_names": ["a", "b"]}))
    with pytest.raises(UserError, match="a.h5 lacks layers"):
        load_model(path)


@pytest.mark.parametrize(
    "changed",
    [
        *({"class_names": ["a", "a"]}, {"class_names": ["a"]}, {"class_names": 3}),
        *({"class_names": [1, 2]}, {"working_size": 0}, {"working_size": 1e9}),
        *({"cell_diameter": "x"}, {"cell_diameter": -1}, {"cell_diameter": float("nan")}),
    ],
)
def test_unusable_attributes_are_refused(tmp_path, changed):
    path = tmp_path / "a.h5"
    write_weights(path, Weights(ARCHITECTURE, {}, {**ATTRIBUTES, **changed}))
    with pytest.raises(UserError, match="a.h5 holds unusable class names or scales"):
        load_model(path)
