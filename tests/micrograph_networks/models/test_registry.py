"""Several versions of a model, with small made-up networks."""

import hashlib
import json
import shutil

import numpy as np
import pytest
from products import PRODUCTS

from micrograph_networks.engines import EngineOptions
from micrograph_networks.errors import UserError
from micrograph_networks.models import registry
from micrograph_networks.models.loading import load_network
from micrograph_networks.models.registry import shipped_models, verified_path
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


def result(model):
    """Name of a loaded model, and what it computes."""
    trained = load_network(model, NETWORKS, EngineOptions("numpy"))
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


def test_a_shipped_file_is_checked_by_its_hash(folder):
    model, _ = shipped_models(NETWORKS)
    assert verified_path(model) == folder / "net_v1.h5"
    model.path.write_bytes(b"other weights")
    with pytest.raises(UserError, match="of net_v1 differ from their SHA-256 .* install the"):
        verified_path(model)
    model.path.unlink()
    with pytest.raises(UserError, match="of net_v1 cannot be read"):
        verified_path(model)


def test_weights_are_found_in_another_folder_and_checked(folder, monkeypatch):
    model, _ = shipped_models(NETWORKS)
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setenv("CELLPROFILER_MODEL_DIR", str(elsewhere))
    with pytest.raises(UserError, match="cannot be read .* copy it there"):
        verified_path(model)
    shutil.copy(folder / "net_v1.h5", elsewhere)
    assert verified_path(model) == elsewhere / "net_v1.h5"
    monkeypatch.setenv("CELLPROFILER_MODEL_DIR", "")
    assert verified_path(model) == folder / "net_v1.h5"


def test_a_damaged_registry_is_named(folder):
    (folder / "registry.json").write_text("no JSON")
    with pytest.raises(UserError, match=r"registry\.json, cannot be read .* install the package"):
        shipped_models(NETWORKS)


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.package)
def test_every_registered_file_is_there_and_has_a_card(product):
    models = shipped_models(product.architectures)
    assert models
    for model in models:
        assert verified_path(model).is_file()
        assert model.card.is_file()
