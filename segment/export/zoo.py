"""The dark-field network for bioimage.io: images in, probabilities of every pixel's classes out."""

from pathlib import Path
from typing import Any, Union

import numpy as np

from micrograph_networks.export.bioimageio import ZooModel
from segment.inference.model import load_model
from segment.inference.network import STRIDE
from segment.inference.normalization import normalize
from segment.simulation.scenes import darkfield_scene

DOCUMENTATION = """\
Probabilities of {classes} for every pixel of a dark-field image.

A U-Net with a VGG16 backbone. **Input**: red, green and blue from 0 to 255, as float32; repeat gray
images three times. Stretch the intensities so that the 1st percentile of the darkest channel
becomes 0 and the 99.9th percentile of the brightest channel 255, and clip them. Height and width
are multiples of {stride} pixels. Scale images so that their longer side has {working_size} pixels:
in the training images, blood cells are about {cell_diameter:.0f} pixels wide at that scale.
**Output**: the probabilities of the classes for every pixel.

# Validation

The test image is generated. Its probabilities are those that this project computes. The model card
of a shipped model follows, with its accuracy on real images.
"""


def zoo_model(model: Union[str, Path, None]) -> ZooModel:
    """Describe a dark-field model for bioimage.io.

    Parameters and errors as for :func:`segment.load_model`.
    """
    loaded = load_model(model)
    classes = tuple(one.name for one in loaded.classes)
    image = darkfield_scene(np.random.default_rng(0), (256, 320)).image
    normalized = normalize(image.astype(np.float32))
    probabilities = loaded.tiles.run(lambda network, size: network(normalized[None])[0])
    cover = image / 255
    cover[:, 160:] = 1 - probabilities[:, 160:, :1]  # the probability of the foreground
    return ZooModel(
        title="Blood cells and spirochaetes in dark field",
        documentation=DOCUMENTATION.format(
            classes=", ".join(classes),
            stride=STRIDE,
            working_size=loaded.working_size,
            cell_diameter=loaded.cell_diameter,
        ),
        tags=("semantic-segmentation", "dark-field", "blood", "bacteria", "unet", "2d"),
        citations=(
            (
                "Ronneberger et al. 2015, U-Net: Convolutional networks for biomedical image "
                "segmentation",
                "10.1007/978-3-319-24574-4_28",
            ),
            (
                "Simonyan and Zisserman 2015, Very deep convolutional networks for large-scale "
                "image recognition",
                "10.48550/arXiv.1409.1556",
            ),
        ),
        function=pixel_probabilities,
        channels=("red", "green", "blue"),
        classes=classes,
        step=STRIDE,
        scale=1,
        test_image=image,
        test_probabilities=probabilities,
        cover=cover,
    )


def pixel_probabilities(network: Any, images: Any) -> Any:
    """Compute the probabilities of the classes of all pixels.

    Parameters
    ----------
    network : keras.Model
        From normalized images to probabilities.
    images : tf.Tensor of float32, (n, height, width, 3)
        Red, green and blue from 0 to 255. Heights and widths are multiples of 32.

    Returns
    -------
    tf.Tensor of float32, (n, height, width, classes)
    """
    return network(normalize(images))
