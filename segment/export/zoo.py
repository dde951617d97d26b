"""The dark-field network for model zoos: images in, the probabilities of every pixel out."""

import functools
from pathlib import Path
from typing import Any, Union

import numpy as np

from micrograph_networks.export.bioimageio import ZooModel
from micrograph_networks.export.graphs import GraphOperations
from micrograph_networks.models.loading import read_network, shipped_model
from micrograph_networks.networks.computing import Arrays, compute, prepare
from micrograph_networks.networks.layers import Network
from segment.inference.model import load_model
from segment.inference.network import NETWORKS, STRIDE
from segment.inference.normalization import normalize, to_rgb
from segment.simulation.scenes import darkfield_scene

DOCUMENTATION = """\
# {name}

Finds {classes} in dark-field images by a U-Net on a VGG16 backbone.

**Input**: red, green and blue of 0 to 255, as float32; gray images are repeated. Height and width
are multiples of {stride} pixels. The network knows images whose longer side is {working_size}
pixels, in which blood cells are about {cell_diameter:.0f} pixels wide: scale others to that.
**Output**: the probabilities of the classes for every pixel.

# Validation

The test image is generated; its probabilities are those that the project computes. Accuracy on
real images is below, if the model ships with the project.

"""
SHAPE = (256, 320)
"""Of the test image."""


def zoo_model(model: Union[str, Path, None]) -> ZooModel:
    """A dark-field model as zoos describe it.

    Parameters
    ----------
    model : str or Path, optional
        As for :func:`segment.load_model`.

    Returns
    -------
    ZooModel

    Raises
    ------
    UserError
        As for :func:`segment.load_model`.
    """
    weights, network = read_network(model, NETWORKS)
    loaded = load_model(model)
    image = darkfield_scene(np.random.default_rng(0), SHAPE).image
    normalized = normalize(to_rgb(image))
    probabilities = loaded.tiles.run(lambda network, size: network(normalized[None])[0])
    name = f"Blood cells and spirochaetes in dark field ({Path(loaded.name).stem})"
    about = DOCUMENTATION.format(
        name=name,
        classes=", ".join(one.name for one in loaded.classes),
        stride=STRIDE,
        working_size=loaded.working_size,
        cell_diameter=loaded.cell_diameter,
    )
    return ZooModel(
        file_name=Path(loaded.name).stem,
        name=name,
        description="Probabilities of blood cells and spirochaetes for every pixel of a "
        "dark-field image.",
        documentation=about,
        shipped=shipped_model(model, NETWORKS),
        tags=("semantic-segmentation", "dark-field", "blood", "bacteria", "unet", "2d"),
        cited=(
            (
                "Ronneberger et al. 2015, U-Net: Convolutional networks for biomedical image "
                "segmentation",
                "10.1007/978-3-319-24574-4_28",
            ),
            (
                "Simonyan and Zisserman 2015, Very deep convolutional networks for large-scale "
                "image recognition",
                "https://arxiv.org/abs/1409.1556",
            ),
        ),
        graph=functools.partial(whole_image, network, weights.layers),
        channels=("red", "green", "blue"),
        classes=tuple(one.name for one in loaded.classes),
        step=STRIDE,
        pixels=1,
        test_image=image,
        test_probabilities=probabilities,
        cover=_cover(image, probabilities),
    )


def whole_image(network: Network, arrays: Arrays, operations: GraphOperations, images: Any) -> Any:
    """The graph from images to the probabilities of their pixels.

    Parameters
    ----------
    network : Network
    arrays : Arrays
    operations : GraphOperations
    images : object
        (n, height, width, 3), red, green, blue of 0 to 255, multiples of 32.

    Returns
    -------
    object
        (n, height, width, classes)
    """
    steps = prepare(network, arrays, operations)
    return operations.end(compute(steps, operations, operations.begin(normalize(images))))


def _cover(image: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """The image, and in its right half how sure it is that a pixel is no background."""
    cover = image.copy()
    half = image.shape[1] // 2
    cover[:, half:] = np.rint(255 * (1 - probabilities[:, half:, :1]))
    return cover
