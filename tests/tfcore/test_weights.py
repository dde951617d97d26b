import hashlib
import json

import h5py
import numpy as np
import pytest

from tfcore import weights as module
from tfcore.errors import UserError
from tfcore.weights import Weights, read_weights, shipped_weights, write_weights


@pytest.fixture
def path(tmp_path, rng):
    layers = {"conv1": {"kernel": rng.normal(size=(3, 3, 2, 4)), "bias": np.arange(4.0)}}
    write_weights(tmp_path / "a.h5", Weights("net-1", layers, {"classes": ["cell", "blood"]}))
    return tmp_path / "a.h5"


def test_what_is_written_is_read(path):
    read = read_weights(path, "net-1")
    assert read.architecture == "net-1"
    assert read.attributes == {"classes": ["cell", "blood"]}
    assert read.layers["conv1"]["kernel"].dtype == np.float32
    assert read.layers["conv1"]["bias"].tolist() == [0, 1, 2, 3]
    with h5py.File(path) as file:
        assert file["conv1/kernel"].dtype == np.float16
        assert file.attrs["format_version"] == 1


def test_weights_of_another_network_are_refused(path):
    with pytest.raises(UserError, match=r"a\.h5 holds weights of net-1, but net-2 is needed"):
        read_weights(path, "net-2")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"b\.h5 does not exist"):
        read_weights(tmp_path / "b.h5", "net-1")


@pytest.mark.parametrize("keep", [0, 100, 1000, 0.6])
def test_a_truncated_file_is_refused(path, keep):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep) if keep < 1 else keep])
    with pytest.raises(UserError, match="is not a weights file"):
        read_weights(path, "net-1")


def test_another_hdf5_file_is_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(UserError, match="is not a weights file"):
        read_weights(tmp_path / "a.h5", "net-1")


def test_nan_is_refused(path):
    with h5py.File(path, "a") as file:
        file["conv1/bias"][0] = np.nan
    with pytest.raises(UserError, match="NaN"):
        read_weights(path, "net-1")


def test_shipped_files_are_checked_by_hash(path, monkeypatch):
    registry = path.with_name("registry.json")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    registry.write_text(json.dumps({"net": {"file": "a.h5", "sha256": digest}}))
    monkeypatch.setattr(module, "MODEL_FOLDER", path.parent)
    monkeypatch.setattr(module, "REGISTRY", registry)
    assert shipped_weights("net") == path
    with h5py.File(path, "a") as file:
        file["conv1/bias"][0] = 7
    with pytest.raises(UserError, match="differ from their SHA-256"):
        shipped_weights("net")
    path.unlink()
    with pytest.raises(UserError, match="are missing"):
        shipped_weights("net")


def test_every_registered_file_is_there_and_has_a_card():
    registry = json.loads(module.REGISTRY.read_text())
    for name in registry:
        assert shipped_weights(name).with_suffix(".md").is_file()
