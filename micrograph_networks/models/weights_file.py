"""Weights files: plain HDF5, float16 on disk, independent of Keras."""

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Collection, Dict, Tuple, Union

import h5py
import numpy as np

from micrograph_networks.errors import UserError
from micrograph_networks.files.writing import atomic_write
from micrograph_networks.networks.computing import Arrays
from micrograph_networks.networks.layers import Shapes

FORMAT_VERSION = 1
"""Version of the format that this code reads and writes."""
SEAL = b"Weights in HDF5; SHA-256 of all that follows these 512 bytes: "
"""First bytes of a weights file. The digest follows, then spaces, then the HDF5 file."""
SEAL_SIZE = 512
"""Bytes before the HDF5 file, the smallest size of what HDF5 calls a user block."""
BUILT_IN_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}
"""Filters that are part of HDF5. Any other filter would load a plugin library."""


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
    digest = hashlib.sha256(content).hexdigest().encode()
    return (SEAL + digest).ljust(SEAL_SIZE) + content


def read_weights(path: Union[str, Path], architectures: Collection[str]) -> Weights:
    """Read a weights file and check that it belongs to one of these architectures.

    A damaged file can crash the HDF5 library, so the file is opened only if its SHA-256 is correct.
    Links to other files and Python objects are never followed.

    Returns
    -------
    Weights
        Arrays are float32.

    Raises
    ------
    UserError
        The file is missing, damaged, in another format or for another network.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"The weights file {path} cannot be read ({error.strerror}).") from error
    try:
        if content != sealed(content[SEAL_SIZE:]):
            raise ValueError("its SHA-256 is missing or wrong")
        architecture, attributes, layers = _parsed(content[SEAL_SIZE:])
    except Exception as error:  # an HDF5 file may hold anything
        raise UserError(
            f"{path} is not a weights file of format {FORMAT_VERSION}, or is damaged: "
            "copy it again or choose another file."
        ) from error
    if architecture not in architectures:
        raise UserError(
            f"{path} holds weights of {architecture}, but {' or '.join(architectures)} is needed: "
            "choose another file."
        )
    if not all(np.isfinite(a).all() for arrays in layers.values() for a in arrays.values()):
        raise UserError(f"{path} holds NaN or infinite weights: copy or train it again.")
    return Weights(architecture, layers, attributes)


def _parsed(content: bytes) -> Tuple[str, Dict[str, Any], Arrays]:
    """Return architecture, attributes and layers of an HDF5 file."""
    with h5py.File(io.BytesIO(content), "r") as file:
        attributes = {name: _attribute(file, name) for name in file.attrs}
        version, architecture = attributes.pop("format_version"), attributes.pop("architecture")
        if version != FORMAT_VERSION:
            raise ValueError(f"format {version}")
        attributes = {name: json.loads(value) for name, value in attributes.items()}
        datasets = {
            layer: {name: own_dataset(file, f"{layer}/{name}") for name in own_item(file, layer)}
            for layer in file
        }
        # A malicious file may claim arrays that do not fit into memory.
        if sum(d.nbytes for group in datasets.values() for d in group.values()) > len(content):
            raise ValueError("larger than the file")
        layers = {
            layer: {name: dataset[()].astype(np.float32) for name, dataset in group.items()}
            for layer, group in datasets.items()
        }
    return architecture, attributes, layers


def _attribute(file: h5py.File, name: str) -> Any:
    if file.attrs.get_id(name).shape != ():
        raise ValueError(f"{name} is not a single value")
    return file.attrs[name]


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
    elsewhere = dataset.is_virtual or dataset.external
    if dataset.dtype.kind != "f" or elsewhere or not filters <= BUILT_IN_FILTERS:
        raise ValueError(f"{path} does not hold plain numbers")
    return dataset


def check_shapes(weights: Weights, shapes: Shapes) -> None:
    """Raise UserError unless the arrays have exactly these names and shapes."""
    found = {
        (layer, name): array.shape
        for layer, arrays in weights.layers.items()
        for name, array in arrays.items()
    }
    if found != shapes:
        raise UserError(f"It lacks layers of {weights.architecture}: copy or train it again.")
