"""Weights of the dark-field network, loaded once a process."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Callable

from micrograph_networks.engines.tensorflow import tensorflow
from micrograph_networks.errors import UserError
from micrograph_networks.models.weights_file import check_shapes, loaded_once, read_weights
from segment.inference.network import ARCHITECTURE, inference_function, layer_shapes

SHIPPED = "darkfield"
"""Key of the shipped weights in model_weights/registry.json."""

LARGEST_WORKING_SIZE = 10_000


@dataclass(frozen=True)
class SegmentationModel:
    """A trained network and the scale that it knows.

    Attributes
    ----------
    network : callable
        From normalised images, float32 (n, h, w, 3), h and w multiples of 32, to probabilities,
        float32 (n, h, w, classes).
    class_names : tuple of str
    working_size : int
        Longer side of the training images in pixels.
    cell_diameter : float
        Median diameter of a blood cell in pixels of the training images.
    """

    network: Callable
    class_names: tuple
    working_size: int
    cell_diameter: float


@loaded_once(SHIPPED)
def load_model(path, bfloat16=False):
    """Load weights and compile the network, once for every file in a process.

    Parameters
    ----------
    path : str or Path, optional
        A weights file; the shipped one by default.
    bfloat16 : bool
        As for :func:`segment.inference.network.inference_function`.

    Returns
    -------
    SegmentationModel

    Raises
    ------
    UserError
        The file is missing, damaged or for another network, or TensorFlow is missing.
    """
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read_weights, path, ARCHITECTURE)
        tensorflow()  # its import takes so long that the file is read meanwhile
    weights = reading.result()
    class_names, working_size, cell_diameter = _attributes(path, weights.attributes)
    check_shapes(path, weights, layer_shapes(len(class_names)))
    network = inference_function(weights.layers, bfloat16)
    return SegmentationModel(network, class_names, working_size, cell_diameter)


def _attributes(path, attributes):
    """Class names, working size and cell diameter, checked: a damaged file may hold anything."""
    try:
        class_names = tuple(attributes["class_names"])
        working_size, cell_diameter = attributes["working_size"], attributes["cell_diameter"]
        sound = (
            all(isinstance(name, str) for name in class_names)
            and len(set(class_names)) == len(class_names) >= 2
            and isinstance(working_size, int)
            and 1 <= working_size <= LARGEST_WORKING_SIZE
            and 0 < cell_diameter <= working_size
        )
    except KeyError as error:
        raise UserError(f"{path} lacks {error}: copy or train it again.") from None
    except TypeError:
        sound = False
    if not sound:
        raise UserError(f"{path} holds unusable class names or scales: copy or train it again.")
    return class_names, working_size, cell_diameter
