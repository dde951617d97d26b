import contextlib

import h5py
import numpy as np
import pytest

from micrograph_networks.errors import UserError
from micrograph_networks.models.weights_file import (
    SEAL_SIZE,
    Weights,
    read_weights,
    sealed,
    write_weights,
)


@pytest.fixture
def path(tmp_path, rng):
    layers = {"conv1": {"kernel": rng.normal(size=(3, 3, 2, 4)), "bias": np.arange(4.0)}}
    write_weights(tmp_path / "a.h5", Weights("net-1", layers, {"classes": ["cell", "blood"]}))
    return tmp_path / "a.h5"


@contextlib.contextmanager
def changed(path):
    """Change the HDF5 file, and seal it again as an attacker would."""
    with h5py.File(path, "a") as file:
        yield file
    path.write_bytes(sealed(path.read_bytes()[SEAL_SIZE:]))


def test_what_is_written_is_read(path):
    read = read_weights(path, ["net-1"])
    assert read.architecture == "net-1"
    assert read.attributes == {"classes": ["cell", "blood"]}
    assert read.layers["conv1"]["kernel"].dtype == np.float32
    assert read.layers["conv1"]["bias"].tolist() == [0, 1, 2, 3]
    with h5py.File(path) as file:
        assert file["conv1/kernel"].dtype == np.float16
        assert file.attrs["format_version"] == 1


def test_weights_of_another_network_are_refused(path):
    with pytest.raises(UserError, match=r"a\.h5 holds weights of net-1, but net-2 is needed"):
        read_weights(path, ["net-2"])


@pytest.mark.parametrize(
    "name, problem", [("b.h5", "No such file"), ("", "(Is a directory|Permission denied)")]
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, name, problem):
    with pytest.raises(UserError, match=rf"{tmp_path / name} cannot be read \({problem}"):
        read_weights(tmp_path / name, ["net-1"])


@pytest.mark.parametrize("keep", [0, 100, 600, 1500, 0.6])
def test_a_truncated_file_is_refused(path, keep):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep) if keep < 1 else keep])
    with pytest.raises(UserError, match="is not a weights file"):
        read_weights(path, ["net-1"])


def test_any_damage_is_found(path, rng):
    content = path.read_bytes()
    for place in rng.integers(len(content), size=100):
        damaged = bytearray(content)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="is not a weights file"):
            read_weights(path, ["net-1"])


def test_nan_is_refused(path):
    with changed(path) as file:
        file["conv1/bias"][0] = np.nan
    with pytest.raises(UserError, match="NaN"):
        read_weights(path, ["net-1"])


def elsewhere(file):
    """Write the same array to another file, and return its path."""
    with h5py.File(file.filename + ".other", "w") as other:
        other["bias"] = np.arange(4, dtype=np.float16)
    return file.filename + ".other"


def external_link(file):
    file["conv1/bias"] = h5py.ExternalLink(elsewhere(file), "bias")


def soft_link(file):
    file["conv1/bias"] = h5py.SoftLink("/conv1/kernel")


def external_storage(file):
    file.create_dataset("conv1/bias", (4,), np.float16, external=[(elsewhere(file), 0, 8)])


def virtual(file):
    layout = h5py.VirtualLayout((4,), np.float16)
    layout[:] = h5py.VirtualSource(elsewhere(file), "bias", (4,))
    file.create_virtual_dataset("conv1/bias", layout)


def references(file):
    file.create_dataset("conv1/bias", (4,), h5py.ref_dtype)


def filtered(file):
    # Nothing is written: h5py's LZF may crash on small arrays.
    file.create_dataset("conv1/bias", (4,), np.float16, compression="lzf")


def huge(file):
    file.create_dataset("conv1/bias", (2**45,), np.float16, chunks=(1024,))


def huge_attribute(file):
    file["conv1/bias"] = np.arange(4, dtype=np.float16)
    file.attrs["many"] = np.zeros(1000)


def newer_format(file):
    file["conv1/bias"] = np.arange(4, dtype=np.float16)
    file.attrs["format_version"] = 2


@pytest.mark.parametrize(
    "change",
    [
        *(external_link, soft_link, external_storage, virtual, references),
        *(filtered, huge, huge_attribute, newer_format),
    ],
)
def test_other_content_than_plain_numbers_of_the_file_itself_is_refused(path, change):
    with changed(path) as file:
        del file["conv1/bias"]
        change(file)
    with pytest.raises(UserError, match=r"a\.h5 is not a weights file"):
        read_weights(path, ["net-1"])
