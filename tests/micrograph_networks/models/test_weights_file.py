import contextlib
import os

import h5py
import numpy as np
import pytest

from micrograph_networks.errors import UserError
from micrograph_networks.files import reading
from micrograph_networks.models.registry import LARGEST_FILE
from micrograph_networks.models.weights_file import (
    SEAL_SIZE,
    Weights,
    read_weights,
    sealed,
    write_weights,
)
from micrograph_networks.networks.layers import Convolution, Network

KERNEL, BIAS = "conv1/kernel", "conv1/bias"


def declared(attributes):
    channels = attributes.get("channels", 4)
    return Network("net-1", (None, None, 2), (Convolution("conv1", channels),))


NETWORKS = {"net-1": declared}


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
    read = read_weights(path, NETWORKS)
    assert read.architecture == "net-1"
    assert read.attributes == {"classes": ["cell", "blood"]}
    assert read.layers["conv1"]["kernel"].dtype == np.float32
    assert read.layers["conv1"]["bias"].tolist() == [0, 1, 2, 3]
    with h5py.File(path) as file:
        assert file[KERNEL].dtype == np.float16
        assert file.attrs["format_version"] == 1


def test_weights_of_another_network_are_refused(path):
    with pytest.raises(UserError, match=r"a\.h5 holds weights of net-1, but net-2 is needed"):
        read_weights(path, {"net-2": declared})


@pytest.mark.parametrize("name, problem", [("b.h5", r"\(No such file"), ("", "is not a file")])
def test_a_file_that_cannot_be_read_is_named(tmp_path, name, problem):
    with pytest.raises(UserError, match=rf"{tmp_path / name} .*{problem}"):
        read_weights(tmp_path / name, NETWORKS)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes in folders")
def test_a_named_pipe_or_device_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(UserError, match=f"{path} is not a file"):
            read_weights(path, NETWORKS)


def test_a_file_of_the_largest_size_is_read_and_a_larger_one_is_refused(path):
    size = path.stat().st_size
    assert len(reading.read_file(path, size)) == size
    with pytest.raises(UserError, match=rf"a\.h5 has {size} bytes, and at most {size - 1} are"):
        reading.read_file(path, size - 1)
    os.truncate(path, LARGEST_FILE + 1)
    with pytest.raises(UserError, match="and at most 268435456 are allowed"):
        read_weights(path, NETWORKS)


@pytest.mark.parametrize("keep", [0, 100, 600, 1500, 0.6])
def test_a_truncated_file_is_refused(path, keep):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep) if keep < 1 else keep])
    with pytest.raises(UserError, match="is not a weights file"):
        read_weights(path, NETWORKS)


def test_any_damage_is_found(path, rng):
    content = path.read_bytes()
    for place in rng.integers(len(content), size=100):
        damaged = bytearray(content)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="is not a weights file"):
            read_weights(path, NETWORKS)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [np.nan, 1e300])
def test_weights_that_are_not_finite_are_refused(path, value):
    with changed(path) as file:
        del file[BIAS]
        file[BIAS] = np.full(4, value)
    with pytest.raises(UserError, match="NaN"):
        read_weights(path, NETWORKS)


def elsewhere(file):
    """Write the same array to another file, and return its path."""
    with h5py.File(file.filename + ".other", "w") as other:
        other["bias"] = np.arange(4, dtype=np.float16)
    return file.filename + ".other"


def external_link(file):
    file[BIAS] = h5py.ExternalLink(elsewhere(file), "bias")


def soft_link(file):
    file[BIAS] = h5py.SoftLink("/conv1/kernel")


def external_storage(file):
    file.create_dataset(BIAS, (4,), np.float16, external=[(elsewhere(file), 0, 8)])


def virtual(file):
    layout = h5py.VirtualLayout((4,), np.float16)
    layout[:] = h5py.VirtualSource(elsewhere(file), "bias", (4,))
    file.create_virtual_dataset(BIAS, layout)


def references(file):
    file.create_dataset(BIAS, (4,), h5py.ref_dtype)


def integers(file):
    file[BIAS] = np.arange(4)


def filtered(file):
    # Nothing is written: h5py's LZF may crash on small arrays.
    file.create_dataset(BIAS, (4,), np.float16, compression="lzf")


def deflate_bomb(file):
    # Reading 4 values would unpack a chunk of 512 MB.
    settings = {"maxshape": (None,), "chunks": (2**28,), "compression": "gzip"}
    file.create_dataset(BIAS, (4,), np.float16, **settings)


def array_outside_of_the_layers(file):
    file[BIAS] = np.arange(4, dtype=np.float16)
    file["more"] = np.zeros(3)


def external_array_outside_of_the_layers(file):
    file[BIAS] = np.arange(4, dtype=np.float16)
    pipe = file.filename + ".pipe"
    os.mkfifo(pipe)
    file.create_dataset("more", (4,), np.float16, external=[(pipe, 0, 8)])


def array_instead_of_a_layer(file):
    del file["conv1"]
    file["conv1"] = np.zeros(3)


def layer_instead_of_an_array(file):
    file.create_group(BIAS)


def declared_array_that_is_not_there(file):
    """Let the attributes declare a network of which the file holds only the shapes."""
    del file["conv1"]
    file.attrs["channels"] = "100000"
    file.create_dataset(KERNEL, (3, 3, 2, 100_000), np.float16)
    file.create_dataset(BIAS, (100_000,), np.float16)


def version_as_an_array(file):
    file[BIAS] = np.arange(4, dtype=np.float16)
    file.attrs["format_version"] = np.array([1])


def nested_attribute(file):
    file[BIAS] = np.arange(4, dtype=np.float16)
    file.attrs["deep"] = "[" * 50_000


def newer_format(file):
    file[BIAS] = np.arange(4, dtype=np.float16)
    file.attrs["format_version"] = 2


@pytest.mark.parametrize(
    "change",
    [
        *(external_link, soft_link, external_storage, virtual, references, integers),
        *(filtered, deflate_bomb, array_outside_of_the_layers),
        pytest.param(
            external_array_outside_of_the_layers,
            marks=pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such pipes"),
        ),
        *(array_instead_of_a_layer, layer_instead_of_an_array, declared_array_that_is_not_there),
        *(version_as_an_array, nested_attribute, newer_format),
    ],
)
def test_other_content_than_plain_numbers_of_the_file_itself_is_refused(path, change):
    with changed(path) as file:
        del file[BIAS]
        change(file)
    with pytest.raises(UserError, match=r"a\.h5 is not a weights file"):
        read_weights(path, NETWORKS)


def missing_array(file):
    del file[BIAS]


def other_shape(file):
    del file[BIAS]
    file[BIAS] = np.zeros(5, np.float16)


def huge_shape(file):
    del file[BIAS]
    file.create_dataset(BIAS, (2**45,), np.float16)


def further_array(file):
    file["conv1/more"] = np.zeros(4, np.float16)


def further_layer(file):
    file.create_group("empty")


@pytest.mark.parametrize(
    "change", [missing_array, other_shape, huge_shape, further_array, further_layer]
)
def test_other_arrays_than_those_of_the_network_are_refused(path, change):
    with changed(path) as file:
        change(file)
    with pytest.raises(UserError, match=r"a\.h5: Its .* are not those of net-1"):
        read_weights(path, NETWORKS)
