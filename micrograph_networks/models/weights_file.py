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
from micrograph_networks.models.registry import registered_digests
from micrograph_networks.networks.computing import Arrays
from micrograph_networks.networks.layers import Shapes

FORMAT_VERSION = 1
"""Of what this code reads and writes."""
SEAL = b"Weights in HDF5; SHA-256 of all that follows these 512 bytes: "
"""How a sealed weights file begins."""
SEAL_SIZE = 512
"""Bytes before the HDF5 file, the smallest of HDF5's user blocks."""
BUILT_IN_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}
"""Compressions that HDF5 brings along, so that no other library is loaded."""


@dataclass(frozen=True)
class Weights:
    """A trained network.

    Attributes
    ----------
    architecture : str
        Name of the network that the arrays belong to.
    layers : dict of str to dict of str to ndarray of float32
        For every layer its ``kernel`` and ``bias``, batch normalization folded in.
    attributes : dict
        JSON values: input normalization, class names, training data, license, command, scores.
    """

    architecture: str
    layers: Arrays
    attributes: Dict[str, Any]


def write_weights(path: Union[str, Path], weights: Weights) -> None:
    """Write a weights file whole or not at all.

    Parameters
    ----------
    path : str or Path
    weights : Weights
    """
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
    """Put the SHA-256 of an HDF5 file before it, in what HDF5 calls a user block.

    Parameters
    ----------
    content : bytes

    Returns
    -------
    bytes
        An HDF5 file as before.
    """
    return (
        SEAL + hashlib.sha256(content).hexdigest().encode().ljust(SEAL_SIZE - len(SEAL)) + content
    )


def read_weights(path: Union[str, Path], architectures: Collection[str]) -> Weights:
    """Read a weights file and check that it belongs to one of some networks.

    The HDF5 library may crash on a damaged file, so that it is given none: files carry their
    SHA-256, or are registered with it. Neither links to other files nor objects are followed.

    Parameters
    ----------
    path : str or Path
    architectures : collection of str
        Those of the networks that may be.

    Returns
    -------
    Weights
        Arrays as float32.

    Raises
    ------
    UserError
        The file is missing, damaged, of another format or for another network.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"The weights file {path} does not exist: check the path.") from None
    except OSError as error:
        raise UserError(f"The weights file {path} cannot be read ({error.strerror}).") from error
    try:
        found, attributes, layers = _parsed(_unsealed(content))
    except Exception as error:  # HDF5 may hold anything
        raise UserError(
            f"{path} is not a weights file of format {FORMAT_VERSION}, or is damaged: "
            "copy it again or choose another file."
        ) from error
    if found not in architectures:
        raise UserError(
            f"{path} holds weights of {found}, but {' or '.join(architectures)} is needed: "
            "choose another file."
        )
    if not all(np.isfinite(a).all() for arrays in layers.values() for a in arrays.values()):
        raise UserError(f"{path} holds NaN or infinite weights: copy or train it again.")
    return Weights(found, layers, attributes)


def _unsealed(content: bytes) -> bytes:
    """The HDF5 file behind its SHA-256; a registered one may come without."""
    digest, rest = content[len(SEAL) : SEAL_SIZE].strip(), content[SEAL_SIZE:]
    if content.startswith(SEAL) and hashlib.sha256(rest).hexdigest().encode() == digest:
        return rest
    if hashlib.sha256(content).hexdigest() not in registered_digests():
        raise ValueError("no SHA-256, or another one")
    return content


def _parsed(content: bytes) -> Tuple[str, Dict[str, Any], Arrays]:
    """Architecture, attributes and layers of an HDF5 file."""
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
        # A wicked file may claim arrays that no memory can hold.
        if sum(d.nbytes for group in datasets.values() for d in group.values()) > len(content):
            raise ValueError("larger than the file")
        layers = {
            layer: {name: dataset[()].astype(np.float32) for name, dataset in group.items()}
            for layer, group in datasets.items()
        }
    return architecture, attributes, layers


def _attribute(file: h5py.File, name: str) -> Any:
    if file.attrs.get_id(name).shape != ():
        raise ValueError(f"{name} is no single value")
    return file.attrs[name]


def own_item(group: h5py.Group, name: str) -> Union[h5py.Group, h5py.Dataset]:
    """A group or dataset that lies in the file itself, so that no other file is opened.

    Parameters
    ----------
    group : h5py.Group
    name : str

    Returns
    -------
    h5py.Group or h5py.Dataset

    Raises
    ------
    ValueError
        It is a link to elsewhere.
    """
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f"{name} is a link")
    return group[name]


def own_dataset(file: h5py.File, path: str) -> h5py.Dataset:
    """A dataset of plain numbers that are stored in the file itself.

    When it is read, no other file is opened and no filter loaded that HDF5 does not bring along.

    Parameters
    ----------
    file : h5py.File
    path : str
        ``group/name``.

    Returns
    -------
    h5py.Dataset

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
        raise ValueError(f"{path} holds no plain numbers")
    return dataset


def check_shapes(weights: Weights, shapes: Shapes) -> None:
    """Refuse weights that lack arrays of their network, or hold others.

    Parameters
    ----------
    weights : Weights
    shapes : dict of (layer, name) to tuple of int
        As :func:`micrograph_networks.networks.layers.array_shapes` gives them.

    Raises
    ------
    UserError
    """
    found = {
        (layer, name): array.shape
        for layer, arrays in weights.layers.items()
        for name, array in arrays.items()
    }
    if found != shapes:
        raise UserError(f"It lacks layers of {weights.architecture}: copy or train it again.")
