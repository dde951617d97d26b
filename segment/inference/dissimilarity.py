"""How unlike the training images an image looks, whatever the network finds in it."""

from dataclasses import replace
from typing import Any, Dict, NamedTuple, Optional

import numpy as np

from micrograph_networks.engines import load_functions
from micrograph_networks.errors import UserError
from micrograph_networks.models.batching import BatchRunner
from micrograph_networks.networks.computing import Arrays
from micrograph_networks.networks.layers import GlobalPooling, MaxPooling, Network, output_channels
from segment.inference.normalization import normalize

REDUCTION = 0.4
"""Factor from the working scale to that at which textures are compared, so that they cost a few
percent of the time of a segmentation."""
TILE = 256
"""Approximate side in pixels of the tiles that are compared one by one."""
LIMIT = 95
"""Percentage of the training images whose dissimilarity is 1 or less."""
ATTRIBUTE = "usual_textures"
"""Name of the attribute of weights files that holds UsualTextures."""


class UsualTextures(NamedTuple):
    """Textures of the training images: see :func:`measure_textures`.

    Attributes
    ----------
    means, deviations : ndarray of float, (textures,)
        Mean and standard deviation of every texture over the training images.
    limit : float
        Root mean square of the standardized textures that LIMIT percent of the training images
        do not exceed.
    """

    means: np.ndarray
    deviations: np.ndarray
    limit: float


class TextureModel(NamedTuple):
    """Textures of the training images, and the network that measures those of other images.

    Attributes
    ----------
    network : BatchRunner
    usual : UsualTextures
    """

    network: BatchRunner
    usual: UsualTextures


def texture_layers(network: Network) -> Network:
    """Return the first two blocks of the encoder, followed by the maximum of each channel.

    These blocks detect edges and spots and keep the weights of VGG16, so the textures of a data
    set do not depend on the classes that were learned from it.
    """
    pooling = network.find(MaxPooling)[1]
    layers = network.layers[: network.layers.index(pooling)]
    return replace(
        network,
        architecture=f"{network.architecture}-textures",
        layers=(*layers, GlobalPooling("textures")),
    )


def load_textures(network: Network, arrays: Arrays) -> BatchRunner:
    """Load the network that measures textures. NumPy computes it, so all engines agree.

    Parameters
    ----------
    network : Network
        A dark-field network.
    arrays : Arrays
        Arrays of its layers.
    """
    first = texture_layers(network)
    known = {layer.name: arrays[layer.name] for layer in first.layers if layer.name in arrays}
    return BatchRunner("tiles for the dissimilarity", [1], load_functions(first, known, "numpy"))


def measure_textures(rgb: np.ndarray, network: BatchRunner) -> np.ndarray:
    """Measure the textures of an image.

    Parameters
    ----------
    rgb : ndarray of float32, (height, width, 3)
        Red, green, blue, 0 to 255, at REDUCTION times the working scale; at least 2x2 pixels.
    network : BatchRunner
        Result of :func:`load_textures`.

    Returns
    -------
    ndarray of float, (textures,)
        Natural logarithm of 1 plus the maximum of each channel, averaged over tiles of about
        256x256 pixels, so that large images have the same textures as small ones.
    """
    tall, wide = (max(round(length / TILE), 1) for length in rgb.shape[:2])
    tiles = [
        tile
        for row in np.array_split(normalize(rgb), tall, axis=0)
        for tile in np.array_split(row, wide, axis=1)
    ]
    # Global pooling returns the means of all channels, then their maxima.
    pooled = network.run(lambda compute, _: [compute(tile[None])[0] for tile in tiles])
    maxima = np.array(pooled)[:, len(pooled[0]) // 2 :]
    return np.log1p(maxima).mean(axis=0)


def usual_textures(textures: np.ndarray) -> UsualTextures:
    """Summarize the textures of the training images, (images, textures)."""
    # A texture that no training image has would otherwise make every other image unlike them.
    deviations = textures.std(axis=0) + 1e-3
    usual = UsualTextures(textures.mean(axis=0), deviations, 1.0)
    limit = np.percentile([dissimilarity(one, usual) for one in textures], LIMIT)
    return usual._replace(limit=float(limit) or 1.0)


def dissimilarity(textures: np.ndarray, usual: UsualTextures) -> float:
    """Compare the textures of an image with those of the training images.

    Parameters
    ----------
    textures : ndarray of float, (textures,)
    usual : UsualTextures

    Returns
    -------
    float
        Mahalanobis distance with independent textures (Lee et al. 2018, A simple unified framework
        for detecting out-of-distribution samples, section 2.1, without covariances), divided by
        its 95th percentile over the training images. 0 is the mean of the training images; most
        images of other kinds are above 1.
    """
    standardized = (textures - usual.means) / usual.deviations
    return float(np.sqrt(np.mean(standardized**2)) / usual.limit)


def texture_attribute(usual: UsualTextures) -> Dict[str, Any]:
    """Return the JSON value of weights files from which :func:`declared_textures` reads."""
    return {
        "means": usual.means.tolist(),
        "deviations": usual.deviations.tolist(),
        "limit": usual.limit,
    }


def declared_textures(attributes: Dict[str, Any], network: Network) -> Optional[UsualTextures]:
    """Read the textures of the training images from the attributes of a weights file.

    Returns
    -------
    UsualTextures or None
        None if the file has none.

    Raises
    ------
    UserError
        They do not belong to the network.
    """
    if ATTRIBUTE not in attributes:
        return None
    first = texture_layers(network)
    count = output_channels(first)[first.layers[-1].name] // 2
    try:
        value = attributes[ATTRIBUTE]
        usual = UsualTextures(
            np.array(value["means"], dtype=float),
            np.array(value["deviations"], dtype=float),
            float(value["limit"]),
        )
        shapes = {usual.means.shape, usual.deviations.shape}
        positive = np.append(usual.deviations, usual.limit)
        usable = bool(np.isfinite([*usual.means, *positive]).all() and (positive > 0).all())
    except (TypeError, KeyError, ValueError, OverflowError):
        usable = False
    if not usable or shapes != {(count,)}:
        raise UserError("It holds unusable textures: copy or train it again.")
    return usual
