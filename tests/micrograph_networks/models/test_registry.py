import hashlib
import json
import shutil

import pytest

from micrograph_networks.errors import UserError
from micrograph_networks.models import registry
from micrograph_networks.models.registry import shipped_models, verified_path
from micrograph_networks.products import PRODUCTS


@pytest.fixture
def model(tmp_path, monkeypatch):
    """The only shipped model, in a folder of its own."""
    (tmp_path / "net_v1.h5").write_bytes(b"weights")
    entry = {"architecture": "net-1", "license": "CC0-1.0"}
    entry["sha256"] = hashlib.sha256(b"weights").hexdigest()
    (tmp_path / "registry.json").write_text(json.dumps({"net_v1": entry}))
    monkeypatch.setattr(registry, "MODEL_FOLDER", tmp_path)
    monkeypatch.setattr(registry, "REGISTRY", tmp_path / "registry.json")
    (model,) = shipped_models(["net-1", "net-2"])
    return model


def test_models_are_those_of_the_networks_asked_for(model):
    assert (model.name, model.license) == ("net_v1", "CC0-1.0")
    assert shipped_models(["net-2"]) == []


def test_a_shipped_file_is_checked_by_its_hash(model):
    assert verified_path(model) == model.path
    model.path.write_bytes(b"other weights")
    with pytest.raises(UserError, match="of net_v1 differ from their SHA-256 .* install the"):
        verified_path(model)
    model.path.unlink()
    with pytest.raises(UserError, match="of net_v1 cannot be read"):
        verified_path(model)


def test_weights_are_found_in_another_folder_and_checked(model, tmp_path, monkeypatch):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.setenv("CELLPROFILER_MODEL_DIR", str(folder))
    with pytest.raises(UserError, match="cannot be read .* copy it there"):
        verified_path(model)
    shutil.copy(tmp_path / "net_v1.h5", folder)
    assert verified_path(model) == folder / "net_v1.h5"
    monkeypatch.setenv("CELLPROFILER_MODEL_DIR", "")
    assert verified_path(model) == tmp_path / "net_v1.h5"


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.package)
def test_every_registered_file_is_there_and_has_a_card(product):
    models = shipped_models(product.architectures)
    assert models
    for model in models:
        assert verified_path(model).is_file()
        assert model.card.is_file()
