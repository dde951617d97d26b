import math

import pytest
from support import focus_model

from focusqual.inference.network import FOCUS_PATCH_1
from micrograph_networks import cpus, engines
from micrograph_networks.engines import ENGINE_NAMES, EngineOptions, chosen_engine
from micrograph_networks.engines import tensorflow as tensorflow_engine
from micrograph_networks.errors import UserError
from segment.inference.network import unet_vgg16
from segment.training.recipes import SMALL_RECIPE


def test_an_engine_that_is_named_is_taken():
    for name in ENGINE_NAMES:
        assert chosen_engine(EngineOptions(name), FOCUS_PATCH_1) == name
    with pytest.raises(UserError, match="'Compute with' must be one of automatic, "):
        EngineOptions("abacus")


def test_the_fastest_is_taken_otherwise(monkeypatch):
    times = {"numpy": 2.0, "tensorflow": 1.0}
    for name in ENGINE_NAMES:
        expected = times.get(name, math.inf)
        monkeypatch.setattr(
            engines.engine(name), "expected_time", lambda network, rounded, time=expected: time
        )
    assert chosen_engine(EngineOptions(), FOCUS_PATCH_1) == "tensorflow"
    times["tensorflow"] = math.inf
    monkeypatch.setattr(
        tensorflow_engine, "expected_time", lambda network, rounded: times["tensorflow"]
    )
    assert chosen_engine(EngineOptions(), FOCUS_PATCH_1) == "numpy"


@pytest.fixture(params=[FOCUS_PATCH_1, unet_vgg16(3)], ids=lambda network: network.architecture)
def network(request):
    return request.param


def on_processor(monkeypatch, instructions, card=False, build="tensorflow"):
    monkeypatch.setattr(tensorflow_engine, "vector_instructions", lambda: frozenset(instructions))
    found = "/usr/bin/nvidia-smi" if card else None
    monkeypatch.setattr(tensorflow_engine.shutil, "which", lambda name: found)
    monkeypatch.setattr(tensorflow_engine.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(tensorflow_engine, "_is_installed", lambda name: name == build)


def test_tensorflow_computes_where_it_is_at_home(network, monkeypatch):
    on_processor(monkeypatch, ["AVX2"], card=True)
    assert chosen_engine(EngineOptions(), network) == "tensorflow"
    on_processor(monkeypatch, ["AVX2", "AVX512F"])
    assert chosen_engine(EngineOptions(), network) == "tensorflow"
    on_processor(monkeypatch, ["AVX2"])
    assert chosen_engine(EngineOptions(bfloat16=True), network) == "tensorflow"


def test_a_card_that_this_build_does_not_use_counts_for_nothing(monkeypatch):
    on_processor(monkeypatch, ["AVX2"], card=True, build="tensorflow-cpu")
    assert chosen_engine(EngineOptions(), unet_vgg16(3)) == "numpy"


def test_bfloat16_without_tensorflow_is_refused_in_a_sentence(network, monkeypatch):
    monkeypatch.setattr(tensorflow_engine.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="No engine that is installed computes in bfloat16"):
        chosen_engine(EngineOptions(bfloat16=True), network)
    with pytest.raises(UserError, match="bfloat16 must be True or False, not 3"):
        EngineOptions(bfloat16=3)


def test_on_avx2_each_network_has_the_engine_that_was_measured_to_be_faster(monkeypatch):
    on_processor(monkeypatch, ["AVX2"])
    assert chosen_engine(EngineOptions(), FOCUS_PATCH_1) == "tensorflow"
    assert chosen_engine(EngineOptions(), unet_vgg16(3)) == "numpy"
    narrow = unet_vgg16(3, SMALL_RECIPE.widths)
    assert chosen_engine(EngineOptions(), narrow) == "tensorflow"


def test_numpy_computes_where_there_is_no_other(network, monkeypatch):
    on_processor(monkeypatch, ["AVX2", "AVX512F"])
    monkeypatch.setattr(tensorflow_engine.importlib.util, "find_spec", lambda name: None)
    assert chosen_engine(EngineOptions(), network) == "numpy"


def test_a_model_says_what_computes():
    assert focus_model(engine=EngineOptions("numpy")).engine == "numpy"


def test_vector_instructions_are_known():
    assert cpus.vector_instructions()
