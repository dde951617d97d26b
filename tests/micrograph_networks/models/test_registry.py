"""Several versions of a model, with small made-up networks."""

import hashlib
import json
import shutil

import numpy as np
import pytest
from products import PRODUCTS

from micrograph_networks.engines import EngineOptions
from micrograph_networks.errors import UserError
from micrograph_networks.models import loading, registry
from micrograph_networks.models.loading import load_network
from micrograph_networks.models.registry import read_card, shipped_models, verified_content
from micrograph_networks.models.weights_file import Weights, write_weights
from micrograph_networks.networks.layers import Dense, Network


def declared(attributes):
    return Network("net-1", (None, None, 1), (Dense("dense", 1, relu=False),))


NETWORKS = {"net-1": declared, "net-2": declared}


def add_version(folder, name, architecture, bias):
    """Write and register a model, and return its registry entry."""
    layers = {"dense": {"kernel": np.zeros((1, 1)), "bias": np.array([bias])}}
    write_weights(folder / f"{name}.h5", Weights(architecture, layers, {}))
    digest = hashlib.sha256((folder / f"{name}.h5").read_bytes()).hexdigest()
    return {"architecture": architecture, "sha256": digest, "license": "CC0-1.0"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of two versions of one model, and of a model of other networks."""
    entries = {
        "net_v1": add_version(tmp_path, "net_v1", "net-1", bias=1),
        "net_v2": add_version(tmp_path, "net_v2", "net-2", bias=2),
        "other_v1": add_version(tmp_path, "other_v1", "other-1", bias=3),
    }
    (tmp_path / "registry.json").write_text(json.dumps(entries))
    monkeypatch.setattr(registry, "MODEL_FOLDER", tmp_path)
    monkeypatch.setattr(registry, "REGISTRY", tmp_path / "registry.json")
    return tmp_path


def result(model, engine="numpy"):
    """Name of a loaded model, and what it computes."""
    trained = load_network(model, NETWORKS, engine)
    return trained.name, trained.functions[0](np.zeros((1, 1), np.float32)).item()


def test_models_are_listed_from_the_oldest_to_the_newest(folder):
    assert [model.name for model in shipped_models(NETWORKS)] == ["net_v1", "net_v2"]
    assert [model.name for model in shipped_models(["other-1"])] == ["other_v1"]


def test_the_newest_version_is_the_default_and_names_keep_their_version(folder):
    assert result(None) == ("net_v2", 2)
    assert result("net_v1") == ("net_v1", 1)
    own = shutil.copy(folder / "net_v1.h5", folder / "mine.h5")
    assert result(own) == (str(own), 1)
    with pytest.raises(UserError, match="the shipped models are net_v1, net_v2: check the name"):
        result("other_v1")


def test_an_engine_is_chosen_by_name_or_by_options(folder):
    assert result(None, "numpy") == result(None, EngineOptions("numpy"))
    with pytest.raises(UserError, match="must be one of automatic, tensorflow, numpy, not onnx"):
        result(None, "onnx")


def test_a_shipped_file_is_checked_by_its_hash(folder):
    model, _ = shipped_models(NETWORKS)
    assert verified_content(model) == (folder / "net_v1.h5").read_bytes()
    model.path.write_bytes(b"other weights")
    with pytest.raises(UserError, match="of net_v1 differ from their SHA-256 .* install the"):
        verified_content(model)
    model.path.unlink()
    with pytest.raises(UserError, match="of net_v1 are missing"):
        verified_content(model)


def test_weights_are_found_in_another_folder_and_checked(folder, monkeypatch):
    model, _ = shipped_models(NETWORKS)
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setenv("CELLPROFILER_MODEL_DIR", str(elsewhere))
    with pytest.raises(UserError, match="cannot be read .* copy it there"):
        verified_content(model)
    shutil.copy(folder / "net_v1.h5", elsewhere)
    assert model.path == elsewhere / "net_v1.h5"
    assert verified_content(model)
    monkeypatch.setenv("CELLPROFILER_MODEL_DIR", "")
    assert model.path == folder / "net_v1.h5"


@pytest.mark.parametrize(
    "content", ["no JSON", "[]", "null", '{"net_v1": 1}', '{"net_v1": {}}', "\xff", "[" * 5000]
)
def test_a_damaged_registry_is_named(folder, content):
    (folder / "registry.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(UserError, match=r"registry\.json, cannot be read .* install the package"):
        shipped_models(NETWORKS)


def test_a_registry_without_a_model_of_the_network_is_named(folder):
    (folder / "registry.json").write_text("{}")
    with pytest.raises(UserError, match=r"registry\.json lists no model of net-1 or net-2"):
        result(None)


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_a_missing_or_damaged_card_is_named(folder, content):
    model, _ = shipped_models(NETWORKS)
    if content:
        model.card.write_bytes(content)
    with pytest.raises(UserError, match=r"model card .*net_v1\.md cannot be read .* again"):
        read_card(model)


def test_the_checked_bytes_are_the_loaded_ones(folder, monkeypatch):
    """A file that is replaced after its SHA-256 was checked has no influence."""
    original = loading.verified_content

    def replaced(model):
        content = original(model)
        shutil.copy(folder / "net_v2.h5", model.path)
        return content

    monkeypatch.setattr(loading, "verified_content", replaced)
    assert result("net_v1") == ("net_v1", 1)


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.package)
def test_every_registered_file_is_there_and_has_a_card(product):
    models = shipped_models(product.architectures)
    assert models
    for model in models:
        assert verified_content(model)
        assert read_card(model)
