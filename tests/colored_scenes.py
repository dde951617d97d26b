"""A dark-field scene in pure colors, and a model that classifies by color without training."""

import numpy as np

from micrograph_networks.models.batching import BatchRunner
from segment.classes import CLASSES, pixel_classes
from segment.inference.model import TILE_SIZES, SegmentationModel

CERTAIN = 0.9
"""Probability of the class of a pixel."""


def scene():
    """Two touching cells in red and a spirochaete in green, uint8 (96, 128, 3)."""
    rows, cols = np.ogrid[:96, :128]
    image = np.zeros((96, 128, 3), np.uint8)
    for x in (30, 59):
        image[(rows - 40) ** 2 + (cols - x) ** 2 <= 225, 0] = 255
    image[80:83, 20:100, 1] = 255
    return image


def color_network(images):
    """Predict cells where the image is red, and spirochaetes where it is green."""
    red, green = images[..., 2] > 0, images[..., 1] > 0
    found = np.stack([~red & ~green, red & ~green, green], axis=-1)
    return np.where(found, CERTAIN, (1 - CERTAIN) / 2).astype(np.float32)


SHIPPED = pixel_classes(CLASSES, {}, {})


def color_model(classes=SHIPPED, network=color_network):
    tiles = BatchRunner("tiles of {0}x{0} pixels", TILE_SIZES, [network])
    return SegmentationModel("colors", None, "numpy", tiles, classes, 128, 30.0)
