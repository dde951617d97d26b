import importlib.util

import pytest

from micrograph_networks.engines import AUTOMATIC, ENGINE_NAMES, EngineOptions, chosen_engine
from micrograph_networks.errors import UserError


@pytest.fixture(params=[True, False], ids=["with TensorFlow", "without TensorFlow"])
def installed(request, monkeypatch):
    """Whether TensorFlow can be imported."""
    found = object() if request.param else None
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)
    return request.param


def test_automatic_is_tensorflow_if_it_is_installed_otherwise_numpy(installed):
    assert chosen_engine(EngineOptions()) == ("tensorflow" if installed else "numpy")


@pytest.mark.parametrize("name", ENGINE_NAMES)
def test_the_engine_that_the_user_chose_computes(name, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert chosen_engine(EngineOptions(name)) == name


@pytest.mark.parametrize("name", [AUTOMATIC, "tensorflow"])
def test_bfloat16_needs_tensorflow(name, installed):
    options = EngineOptions(name, bfloat16=True)
    if installed:
        assert chosen_engine(options) == "tensorflow"
    else:
        with pytest.raises(UserError, match="^TensorFlow is not installed"):
            chosen_engine(options)


def test_numpy_refuses_bfloat16():
    with pytest.raises(UserError, match="^The engine numpy does not compute in bfloat16"):
        chosen_engine(EngineOptions("numpy", bfloat16=True))
