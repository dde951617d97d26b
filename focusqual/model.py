"""Weights of the focus network, loaded once a process."""

import functools
from pathlib import Path

from focusqual.network import ARCHITECTURE, inference_function, layer_shapes
from tfcore.errors import UserError
from tfcore.weights import read_weights, shipped_weights

SHIPPED = "focus"
"""Key of the shipped weights in model_weights/registry.json."""


def load_model(path=None):
    """Load weights and compile the network, once for every file in a process.

    Parameters
    ----------
    path : str or Path, optional
        A weights file; the shipped one by default.

    Returns
    -------
    callable
        From normalised patches, float32 (n, 84, 84), to probabilities, float32 (n, 11).

    Raises
    ------
    UserError
        The file is missing, damaged or for another network, or TensorFlow is missing.
    """
    if path is None:
        return _load_shipped()
    path = Path(path)
    # A file that was trained anew is loaded anew.
    changed = path.stat().st_mtime_ns if path.is_file() else None
    return _load(path, changed)


@functools.cache
def _load_shipped():
    return _load(shipped_weights(SHIPPED), None)


@functools.lru_cache(maxsize=4)
def _load(path, _changed):
    return inference_function(read_focus_weights(path).layers)


def read_focus_weights(path):
    """Read a weights file of the focus network.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    tfcore.weights.Weights

    Raises
    ------
    UserError
        The file is missing, damaged or for another network.
    """
    weights = read_weights(path, ARCHITECTURE)
    found = {
        (layer, name): array.shape
        for layer, arrays in weights.layers.items()
        for name, array in arrays.items()
    }
    if found != layer_shapes():
        raise UserError(f"{path} lacks layers of {ARCHITECTURE}: copy or train it again.")
    return weights
