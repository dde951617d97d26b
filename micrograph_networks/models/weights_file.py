"""Weights files: plain HDF5, float16 on disk, independent of Keras."""

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Mapping, Tuple, Union

import h5py
import numpy as np

from micrograph_networks.errors import UserError, add_path_to_errors
from micrograph_networks.files.reading import read_file
from micrograph_networks.files.writing import atomic_write
from micrograph_networks.models.registry import LARGEST_FILE
from micrograph_networks.networks.computing import Arrays
from micrograph_networks.networks.layers import Network, array_shapes

FORMAT_VERSION = 1
"""Version of the format that this code reads and writes."""
SEAL = b"Weights in HDF5; SHA-256 of all that follows these 512 bytes: "
"""First bytes of a weights file. The digest follows, then spaces, then the HDF5 file."""
SEAL_SIZE = 512
"""Bytes before the HDF5 file, the smallest size of what HDF5 calls a user block."""
BUILT_IN_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}
"""Filters that are part of HDF5. Any other filter would load a plugin library."""

Networks = Mapping[str, Callable[[Dict[str, Any]], Network]]
"""By architecture, the function that declares a network from the attributes of a weights file."""


@dataclass(frozen=True)
class Weights:
    """Content of a weights file.

    Attributes
    ----------
    architecture : str
        Name of the network that the arrays belong to.
    layers : Arrays
        ``kernel`` and ``bias`` of every layer, float32, with batch normalization folded in.
    attributes : dict of str to JSON value
        Input normalization, class names, training data, license, command, scores.
    """

    architecture: str
    layers: Arrays
    attributes: Dict[str, Any]


def write_weights(path: Union[str, Path], weights: Weights) -> None:
    """Write a weights file atomically, with arrays as float16."""
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file.attrs["format_version"] = FORMAT_VERSION
        file.attrs["architecture"] = weights.architecture
        for name, value in weights.attributes.items():
            file.attrs[name] = json.dumps(value)
        for layer, arrays in weights.layers.items():
            for name, array in arrays.items():
                file.create_dataset(f"{layer}/{name}", data=array.astype(np.float16))
    with atomic_write(path) as temporary:
        temporary.write_bytes(sealed(content.getvalue()))


def sealed(content: bytes) -> bytes:
    """Return an HDF5 file with its SHA-256 before it; the result is an HDF5 file, too."""
    return _seal(content) + content


def _seal(content: bytes) -> bytes:
    return (SEAL + hashlib.sha256(content).hexdigest().encode()).ljust(SEAL_SIZE)


def read_weights(path: Union[str, Path], networks: Networks) -> Weights:
    """Read the weights of a file: see :func:`parse_weights`.

    Parameters
    ----------
    path : str or Path
    networks : Networks
        Networks to accept.
    """
    return parse_weights(read_file(path, LARGEST_FILE), Path(path), networks)[0]


def parse_weights(content: bytes, path: Path, networks: Networks) -> Tuple[Weights, Network]:
    """Return the weights in the content of a file, and the network that they belong to.

    A damaged file can crash the HDF5 library, so the content is opened only if its SHA-256 is
    correct. No array is read before all names, shapes and dtypes are known to be those of the
    network. Links, other files, compressed arrays and Python objects are refused.

    Parameters
    ----------
    content : bytes
        Content of a weights file.
    path : Path
        Path of the file, for error messages.
    networks : Networks
        Networks to accept.

    Returns
    -------
    weights : Weights
        Arrays are float32.
    network : Network

    Raises
    ------
    UserError
        The content is damaged, in another format or for another network.
    """
    sealed_part = content[SEAL_SIZE:]
    try:
        if content[:SEAL_SIZE] != _seal(sealed_part):
            raise ValueError("its SHA-256 is missing or wrong")
        with h5py.File(io.BytesIO(sealed_part), "r") as file, add_path_to_errors(path):
            architecture, attributes = _attributes(file)
            if architecture not in networks:
                raise UserError(
                    f"{path} holds weights of {architecture}, but {' or '.join(networks)} is "
                    "needed: choose another file."
                )
            network = networks[architecture](attributes)
            layers = _layers(file, network, len(content))
    except UserError:
        raise
    except Exception as error:  # an HDF5 file may hold anything
        raise UserError(
            f"{path} is not a weights file of format {FORMAT_VERSION}, or is damaged: "
            "copy it again or choose another file."
        ) from error
    if not all(np.isfinite(a).all() for arrays in layers.values() for a in arrays.values()):
        raise UserError(f"{path} holds NaN or infinite weights: copy or train it again.")
    return Weights(architecture, layers, attributes), network


def _attributes(file: h5py.File) -> Tuple[str, Dict[str, Any]]:
    """Return the architecture and the attributes of a model."""
    values = {name: _attribute(file, name) for name in file.attrs}
    version, architecture = values.pop("format_version"), values.pop("architecture")
    if version != FORMAT_VERSION:
        raise ValueError(f"format {version}")
    return architecture, {name: json.loads(value) for name, value in values.items()}


def _attribute(file: h5py.File, name: str) -> Any:
    if file.attrs.get_id(name).shape != ():
        raise ValueError(f"{name} is not a single value")
    return file.attrs[name]


def _layers(file: h5py.File, network: Network, size: int) -> Arrays:
    """Read the arrays of a file of ``size`` bytes, after checking all of them."""
    shapes = array_shapes(network)
    items = {layer: own_item(file, layer) for layer in file}
    if not all(isinstance(item, h5py.Group) for item in items.values()):
        raise ValueError("there are arrays outside of the layers")
    names = {layer: set(group) for layer, group in items.items()}
    expected = {layer: {name for other, name in shapes if other == layer} for layer, _ in shapes}
    if names != expected:
        raise UserError(f"Its layers are not those of {network.architecture}: train it again.")
    datasets = {(layer, name): own_dataset(file, f"{layer}/{name}") for layer, name in shapes}
    if {key: dataset.shape for key, dataset in datasets.items()} != shapes:
        raise UserError(f"Its arrays are not those of {network.architecture}: train it again.")
    # A chunk can be larger than its array or, compressed, than the memory.
    if any(dataset.chunks for dataset in datasets.values()):
        raise ValueError("arrays are compressed or in chunks")
    # A file may claim arrays that it does not hold.
    if sum(dataset.nbytes for dataset in datasets.values()) > size:
        raise ValueError("arrays are larger than the file")
    layers: Arrays = {layer: {} for layer in expected}
    for (layer, name), dataset in datasets.items():
        with np.errstate(over="ignore"):  # infinite weights are refused later
            layers[layer][name] = dataset[()].astype(np.float32)
    return layers


def own_item(group: h5py.Group, name: str) -> Union[h5py.Group, h5py.Dataset]:
    """Return a group or dataset that is in the file itself.

    Raises
    ------
    ValueError
        It is a link to elsewhere.
    """
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f"{name} is a link")
    return group[name]


def own_dataset(file: h5py.File, path: str) -> h5py.Dataset:
    """Return a dataset of floats that are stored in the file itself, without external filters.

    Parameters
    ----------
    file : h5py.File
    path : str
        ``group/name``.

    Raises
    ------
    ValueError
        It is something else.
    """
    group, name = path.split("/")
    dataset = own_item(own_item(file, group), name)
    creation = dataset.id.get_create_plist()
    filters = {creation.get_filter(number)[0] for number in range(creation.get_nfilters())}
    # These come first: asking a virtual dataset for its shape opens other files.
    elsewhere = dataset.is_virtual or dataset.external
    if elsewhere or dataset.dtype.kind != "f" or not filters <= BUILT_IN_FILTERS:
        raise ValueError(f"{path} does not hold plain numbers")
    return dataset
