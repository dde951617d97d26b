"""Class probabilities for every pixel of an image of any size, computed tile by tile."""

import functools
import math
from typing import Callable, Optional, Tuple

import numpy as np

from micrograph_networks.engines import InferenceFunction
from micrograph_networks.errors import UserError
from micrograph_networks.images.tiling import pad_to
from segment.inference.dissimilarity import REDUCTION, dissimilarity, measure_textures
from segment.inference.model import SegmentationModel
from segment.inference.normalization import (
    Exposure,
    as_color,
    measure_exposure,
    normalize,
    to_rgb,
)
from segment.inference.scaling import resize_rows, scaled_shape
from segment.inference.tiling import Tiles, divide_image

MIRRORED: Tuple[Tuple[int, ...], ...] = ((0,), (1,), (0, 1))
"""Axes along which an image is mirrored in each view."""


def mean_of_views(
    image: np.ndarray, model: SegmentationModel, scale: float, exposure: Optional[Exposure] = None
) -> np.ndarray:
    """Return the mean probabilities over the image and its three mirrored views.

    Parameters, result and errors are those of :func:`predict_probabilities`.
    """
    exposure = exposure or measure_exposure(as_color(image))
    total = predict_probabilities(image, model, scale, exposure)
    for axes in MIRRORED:
        view = np.flip(image, axes)
        total += np.flip(predict_probabilities(view, model, scale, exposure), axes)
    total /= 1 + len(MIRRORED)
    return total


def predict_probabilities(
    image: np.ndarray, model: SegmentationModel, scale: float, exposure: Optional[Exposure] = None
) -> np.ndarray:
    """Return the class probabilities of every pixel.

    The image is resized to the working scale, predicted in overlapping tiles, and the probabilities
    are resized to the size of the image, one row of tiles at a time: no more than that is in memory
    in addition to the image and the result.

    Parameters
    ----------
    image : ndarray, (height, width) or (height, width, 1 to 4)
        Gray or color image of any exposure and bit depth, without NaN.
    model : SegmentationModel
    scale : float
        Factor from the image to the working scale:
        :func:`segment.inference.scaling.working_scale`.
    exposure : Exposure, optional
        Measured by default.

    Returns
    -------
    ndarray of float32, (height, width, classes)
        Probabilities, which sum to 1 over the classes.

    Raises
    ------
    UserError
        The image is a stack or empty, the memory is too small, or the network returns NaN.
    """
    image = as_color(image)
    shape = scaled_shape(image.shape, scale)
    probabilities = np.empty((*image.shape[:2], len(model.classes)), dtype=np.float32)
    convert = functools.partial(to_rgb, exposure=exposure or measure_exposure(image))
    model.tiles.run(functools.partial(_predict_in_tiles, image, shape, convert, probabilities))
    if np.isnan(probabilities).any():
        raise UserError(
            f"{model.name} returned NaN: check the weights file, or compute with another engine."
        )
    return probabilities


def image_dissimilarity(
    image: np.ndarray, model: SegmentationModel, scale: float, exposure: Optional[Exposure] = None
) -> float:
    """Return how unlike the training images an image looks: see :func:`dissimilarity`.

    Parameters and errors are those of :func:`predict_probabilities`. NaN if the weights file does
    not describe the training images.
    """
    if model.textures is None:
        return math.nan
    image = as_color(image)
    height, width = scaled_shape(image.shape, REDUCTION * scale)
    rgb = np.empty((max(height, 2), max(width, 2), 3), dtype=np.float32)
    convert = functools.partial(to_rgb, exposure=exposure or measure_exposure(image))
    resize_rows(image, 0, len(image), rgb, convert)
    return dissimilarity(measure_textures(rgb, model.textures.network), model.textures.usual)


def _predict_in_tiles(
    image: np.ndarray,
    shape: Tuple[int, ...],
    convert: Callable[[np.ndarray], np.ndarray],
    probabilities: np.ndarray,
    network: InferenceFunction,
    largest: int,
) -> None:
    """Write the probabilities of an image.

    Parameters
    ----------
    image : ndarray, (height, width, 3)
    shape : tuple of int
        Height and width at the working scale.
    convert : callable
        Function from rows of the image to red, green, blue of 0 to 255.
    probabilities : ndarray of float32, (height, width, classes)
        Array that is written to.
    network : InferenceFunction
    largest : int
        Square root of the maximum number of pixels of a tile.
    """
    tall, wide = divide_image(shape, largest)
    ratio = len(image) / shape[0]
    # Rows of the result where the seams between rows of tiles are.
    borders = np.rint(tall.seams * ratio).astype(int)
    for top, first, last in zip(tall.starts, borders, borders[1:]):
        bottom = min(top + tall.size, shape[0])
        scaled = np.empty((bottom - top, shape[1], 3), dtype=np.float32)
        resize_rows(image, top * ratio, bottom * ratio, scaled, convert)
        found = _predict_row(normalize(scaled), tall.size, wide, network)
        resize_rows(found, first / ratio - top, last / ratio - top, probabilities[first:last])


def _predict_row(
    normalized: np.ndarray, height: int, tiles: Tiles, network: InferenceFunction
) -> np.ndarray:
    """Return the probabilities of a row of tiles, float32 (rows, width, classes)."""
    parts = []
    for left, start, stop in zip(tiles.starts, tiles.seams, tiles.seams[1:]):
        tile = pad_to(normalized[:, left : left + tiles.size], (height, tiles.size))
        found = network(tile[None])[0]
        parts.append(found[: len(normalized), start - left : stop - left])
    return np.concatenate(parts, axis=1)
