"""Weights of the focus network, loaded once a process."""

from focusqual.inference.network import ARCHITECTURE, inference_function, layer_shapes
from micrograph_networks.models.weights_file import check_shapes, loaded_once, read_weights

SHIPPED = "focus"
"""Key of the shipped weights in model_weights/registry.json."""


@loaded_once(SHIPPED)
def load_model(path):
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
    return inference_function(read_focus_weights(path).layers)


def read_focus_weights(path):
    """Read a weights file of the focus network.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    micrograph_networks.models.weights_file.Weights

    Raises
    ------
    UserError
        The file is missing, damaged or for another network.
    """
    weights = read_weights(path, ARCHITECTURE)
    check_shapes(path, weights, layer_shapes())
    return weights
