"""The encoder's weights, trained on ImageNet."""

from pathlib import Path
from typing import Tuple

import h5py
import numpy as np

from micrograph_networks.errors import UserError
from micrograph_networks.models.weights_file import own_dataset
from micrograph_networks.networks.computing import Arrays
from micrograph_networks.networks.layers import array_shapes
from segment.inference.network import encoder_blocks, unet_vgg16


def read_backbone(path: Path) -> Arrays:
    """Read the convolutions of VGG16 from a file.

    Parameters
    ----------
    path : Path
        HDF5, a group a layer, named as in Keras's VGG16, with ``kernel`` (3, 3, in, out) and
        ``bias``, for blue, green, red less ImageNet's means.

    Returns
    -------
    Arrays

    Raises
    ------
    UserError
        The file is missing, damaged, or lacks a layer.
    """
    shapes = array_shapes(unet_vgg16(2))
    try:
        with h5py.File(path, "r") as file:
            backbone = {
                layer: {
                    name: _read(file, f"{layer}/{name}", shapes[layer, name])
                    for name in ("kernel", "bias")
                }
                for layer in sum(encoder_blocks(), [])
            }
    except Exception as error:  # a damaged file may raise anything
        reason = " ".join(str(error).split())
        raise UserError(
            f"{path} does not hold the convolutions of VGG16 as 'block1_conv1/kernel' and so on, "
            f"or is damaged ({reason})."
        ) from error
    return backbone


def _read(file: h5py.File, path: str, shape: Tuple[int, ...]) -> np.ndarray:
    dataset = own_dataset(file, path)
    if dataset.size != np.prod(shape):
        raise ValueError(f"{path} is of another size")
    return dataset[()].astype(np.float32).reshape(shape)


def download_backbone() -> Arrays:
    """Take the convolutions from Keras's own VGG16, which it downloads once.

    Returns
    -------
    Arrays

    Raises
    ------
    UserError
        There is no network.
    """
    import keras

    try:
        model = keras.applications.VGG16(weights="imagenet", include_top=False)
    except Exception as error:  # of the network's many kinds
        raise UserError(
            "Keras could not download the ImageNet weights of VGG16: give a file of them with "
            "--backbone-weights."
        ) from error
    return {
        layer: dict(zip(("kernel", "bias"), model.get_layer(layer).get_weights()))
        for layer in sum(encoder_blocks(), [])
    }
