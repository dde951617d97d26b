"""Weights files: plain HDF5, float16 on disk, independent of Keras."""

import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from tfcore.errors import UserError
from tfcore.files import whole_file

FORMAT_VERSION = 1
MODEL_FOLDER = Path(__file__).resolve().parent.parent / "model_weights"
REGISTRY = MODEL_FOLDER / "registry.json"


@dataclass(frozen=True)
class Weights:
    """A trained network.

    Attributes
    ----------
    architecture : str
        Name of the network that the arrays belong to.
    layers : dict of str to dict of str to ndarray of float32
        For every layer its ``kernel`` and ``bias``, batch normalisation folded in.
    attributes : dict
        JSON values: input normalisation, class names, training data, licence, command, scores.
    """

    architecture: str
    layers: dict
    attributes: dict


def write_weights(path, weights):
    """Write a weights file whole or not at all.

    Parameters
    ----------
    path : str or Path
    weights : Weights
    """
    with whole_file(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["format_version"] = FORMAT_VERSION
        file.attrs["architecture"] = weights.architecture
        for name, value in weights.attributes.items():
            file.attrs[name] = json.dumps(value)
        for layer, arrays in weights.layers.items():
            for name, array in arrays.items():
                file.create_dataset(f"{layer}/{name}", data=array.astype(np.float16))


def read_weights(path, architecture):
    """Read a weights file and check that it belongs to the network.

    Parameters
    ----------
    path : str or Path
    architecture : str
        The network that is asked for.

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
    if not path.is_file():
        raise UserError(f"The weights file {path} does not exist: check the path.")
    try:
        with h5py.File(path, "r") as file:
            attributes = dict(file.attrs)
            version, found = attributes.pop("format_version"), attributes.pop("architecture")
            if version != FORMAT_VERSION:
                raise ValueError(f"format {version}")
            attributes = {name: json.loads(value) for name, value in attributes.items()}
            layers = {
                layer: {name: array[()].astype(np.float32) for name, array in group.items()}
                for layer, group in file.items()
            }
    except Exception as error:  # a damaged file may raise anything
        raise UserError(
            f"{path} is not a weights file of format {FORMAT_VERSION}, or is damaged: "
            "copy it again or choose another file."
        ) from error
    if found != architecture:
        raise UserError(
            f"{path} holds weights of {found}, but {architecture} is needed: choose another file."
        )
    if not all(np.isfinite(a).all() for arrays in layers.values() for a in arrays.values()):
        raise UserError(f"{path} holds NaN or infinite weights: copy or train it again.")
    return Weights(architecture, layers, attributes)


def shipped_weights(name):
    """Path of weights that ship with the package, checked by their SHA-256.

    Parameters
    ----------
    name : str
        A key of model_weights/registry.json.

    Returns
    -------
    Path

    Raises
    ------
    UserError
        The file is missing or differs from the one that was shipped.
    """
    entry = json.loads(REGISTRY.read_text())[name]
    path = MODEL_FOLDER / entry["file"]
    if not path.is_file():
        raise UserError(f"The shipped weights {path} are missing: install the package again.")
    if hashlib.sha256(path.read_bytes()).hexdigest() != entry["sha256"]:
        raise UserError(
            f"The shipped weights {path} differ from their SHA-256 in {REGISTRY.name}: "
            "install the package again."
        )
    return path


def check_shapes(path, weights, shapes):
    """Refuse weights that lack layers of their network, or hold others.

    Parameters
    ----------
    path : str or Path
        Of the file, for the message.
    weights : Weights
    shapes : dict of (layer, name) to tuple of int

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
        raise UserError(f"{path} lacks layers of {weights.architecture}: copy or train it again.")


def loaded_once(shipped):
    """Decorate a function that loads a weights file, so that a process loads each file once.

    Parameters
    ----------
    shipped : str
        Key in model_weights/registry.json of the file that is loaded where none is given.

    Returns
    -------
    callable
        Each choice of further arguments is loaded for itself.
    """

    def decorate(load):
        @functools.wraps(load)
        def load_model(path=None, **choices):
            if path is None:
                return _load_shipped(load, shipped, **choices)
            path = Path(path)
            # A file that was trained anew is loaded anew.
            changed = path.stat().st_mtime_ns if path.is_file() else None
            return _load_version(load, path, changed, **choices)

        return load_model

    return decorate


@functools.cache
def _load_shipped(load, name, **choices):
    return load(shipped_weights(name), **choices)


@functools.lru_cache(maxsize=4)
def _load_version(load, path, _changed, **choices):
    return load(path, **choices)
