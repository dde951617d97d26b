"""Arrays to start a training from: those of a trained model, or of VGG16 trained on ImageNet."""

from pathlib import Path
from typing import Tuple, Union

import h5py
import numpy as np

from micrograph_networks.errors import UserError
from micrograph_networks.models.loading import read_network
from micrograph_networks.models.weights_file import own_dataset
from micrograph_networks.networks.computing import Arrays
from micrograph_networks.networks.layers import array_shapes
from segment.inference.network import NETWORKS, encoder_blocks, unet_vgg16
from segment.training.recipes import Recipe

ENCODER = sum(encoder_blocks(), [])
"""Names of the encoder's convolutions."""


def from_model(model: Union[str, Path], recipe: Recipe) -> Arrays:
    """Read the arrays of a trained model.

    Parameters
    ----------
    model : str or Path
        Name of a shipped model, or path of a weights file.
    recipe : Recipe
        Recipe with the classes and widths that the model must have.

    Raises
    ------
    UserError
        The file is unusable, or the model has other classes or widths.
    """
    weights, network = read_network(model, NETWORKS)
    names, wanted = weights.attributes["class_names"], [one.name for one in recipe.classes]
    if list(names) != wanted:
        raise UserError(
            f"{model} has the classes {', '.join(names)}, but --class gives {', '.join(wanted)}: "
            "choose another model."
        )
    if network != unet_vgg16(len(wanted), recipe.widths):
        raise UserError(
            f"{model} has other numbers of channels than the recipe: choose another --recipe."
        )
    return weights.layers


def read_vgg16(path: Path) -> Arrays:
    """Read the convolutions of VGG16 from a file.

    Parameters
    ----------
    path : Path
        HDF5 file with a group per layer, named as in Keras's VGG16, with ``kernel``
        (3, 3, in, out) and ``bias``, for blue, green and red minus ImageNet's means.

    Raises
    ------
    UserError
        The file is missing, damaged, or lacks a layer.
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist or is not a file: check --backbone-weights.")
    shapes = array_shapes(unet_vgg16(2))
    try:
        with h5py.File(path, "r") as file:
            return {
                layer: {
                    name: _read(file, f"{layer}/{name}", shapes[layer, name])
                    for name in ("kernel", "bias")
                }
                for layer in ENCODER
            }
    except Exception as error:  # a damaged file may raise anything
        reason = " ".join(str(error).split())
        raise UserError(
            f"{path} does not hold the convolutions of VGG16 as 'block1_conv1/kernel' and so on, "
            f"or is damaged ({reason})."
        ) from error


def _read(file: h5py.File, name: str, shape: Tuple[int, ...]) -> np.ndarray:
    dataset = own_dataset(file, name)
    if dataset.size != np.prod(shape):
        raise ValueError(f"{name} has another size")
    return dataset[()].astype(np.float32).reshape(shape)


def download_vgg16() -> Arrays:
    """Download VGG16 with Keras, or raise UserError if there is no network."""
    import keras

    try:
        model = keras.applications.VGG16(weights="imagenet", include_top=False)
    except Exception as error:  # the network may fail with many kinds of errors
        raise UserError(
            "Keras could not download the ImageNet weights of VGG16: give a file of them with "
            "--backbone-weights, or start from a shipped model with --initial."
        ) from error
    return {
        layer: dict(zip(("kernel", "bias"), model.get_layer(layer).get_weights()))
        for layer in ENCODER
    }
