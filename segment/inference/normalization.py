"""Normalization of images of any exposure and bit depth to the input of the dark-field network."""

import functools
import math
from typing import NamedTuple, Optional

import numpy as np

from micrograph_networks.errors import UserError
from micrograph_networks.images.gray import plain_array

NORMALIZATION = "percentiles-1-to-99.9-bgr-minus-imagenet-mean"
"""Name of :func:`to_rgb` followed by :func:`normalize` in weights files."""
# VGG16 was trained on blue, green, red of 0 to 255 minus their means over ImageNet: Simonyan and
# Zisserman 2015, Very deep convolutional networks, section 2.1; Keras's mode "caffe".
MEANS = np.array([103.939, 116.779, 123.68], dtype=np.float32)
DARK, BRIGHT = 1, 99.9
"""Percentiles of the darkest and of the brightest channel that become 0 and 255."""
LEAST_CONTRAST = 30
"""Minimum contrast of an image in standard deviations of its noise; an image with less is empty."""
SAMPLED_PIXELS = 2**19
"""Approximate maximum number of pixels that the exposure is measured on."""
QUANTIZED_PIXELS = 2**14
"""Approximate number of pixels whose values show the step between gray levels."""


class Exposure(NamedTuple):
    """The pixel values that become black and white.

    Attributes
    ----------
    black, white : float
        Pixel values that become 0 and 255. They are equal if the image is constant.
    """

    black: float
    white: float


def measure_exposure(image: np.ndarray) -> Exposure:
    """Measure the exposure of an image.

    If all pixel values are multiplied by a factor or increased by a constant, so is the exposure.
    Black is the 1st percentile of the darkest channel, and white the 99.9th percentile of the
    brightest channel, which an object that fills a thousandth of the image reaches and hot pixels
    do not. White is at least 30 standard deviations of the noise above black, so that the noise of
    an empty image remains dark. The noise is that of the second differences along the rows
    (Immerkær 1996, Fast noise variance estimation, in one dimension, and with the median absolute
    deviation), and at least that of rounding to gray levels.

    Parameters
    ----------
    image : ndarray, (height, width, 3), any real dtype
        NaN and infinity are ignored.
    """
    rows = image[:: math.ceil(image.shape[0] * image.shape[1] / SAMPLED_PIXELS)]
    rows = rows.astype(np.float64)
    finite = rows[np.isfinite(rows).all(axis=2)]
    if not finite.size:
        return Exposure(0.0, 0.0)
    # Ten times faster than the minimum and maximum along an axis of three.
    darkest, brightest = (functools.reduce(which, finite.T) for which in (np.minimum, np.maximum))
    black = float(np.percentile(darkest, DARK))
    white = float(np.percentile(brightest, BRIGHT))
    # A drawing may have only two values.
    largest_step = 1.0 if image.dtype.kind in "iu" or white > 1 else 1 / 255
    noise = max(_noise(rows), min(_gray_step(finite), largest_step) / math.sqrt(12))
    return Exposure(black, max(white, black + LEAST_CONTRAST * noise))


def _noise(rows: np.ndarray) -> float:
    """Return the standard deviation of the noise of some rows, (rows, width, channels)."""
    with np.errstate(invalid="ignore"):  # infinity minus infinity is NaN
        differences = np.abs(rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:])
    differences = differences[np.isfinite(differences)]
    if not differences.size:
        return 0.0
    # The deviation of a normal distribution is 1.4826 times its median absolute deviation.
    return 1.4826 * float(np.median(differences)) / math.sqrt(6)


def _gray_step(pixels: np.ndarray) -> float:
    """Return the smallest difference between two values of some pixels, (pixels, channels)."""
    steps = np.diff(np.unique(pixels[:: math.ceil(len(pixels) / QUANTIZED_PIXELS)]))
    return float(steps.min()) if steps.size else 0.0


def to_rgb(image: np.ndarray, exposure: Optional[Exposure] = None) -> np.ndarray:
    """Convert a gray or color image of any bit depth to red, green, blue of 0 to 255.

    Parameters
    ----------
    image : ndarray, (height, width) or (height, width, 1 to 4)
        Image for :func:`as_color`.
    exposure : Exposure, optional
        Exposure of the whole image if this is a part of it; measured by default.

    Returns
    -------
    ndarray of float32, (height, width, 3)
        0 is black and 255 is white; values beyond are clipped. NaN where the image is NaN.

    Raises
    ------
    UserError
        As for :func:`as_color`.
    """
    color = as_color(image)
    black, white = exposure or measure_exposure(color)
    # Large integers would lose digits as float32.
    rgb = (color - np.float64(black)) * (255 / ((white - black) or 1))
    return np.clip(rgb, 0, 255, out=rgb).astype(np.float32)


def as_color(image: np.ndarray) -> np.ndarray:
    """Give an image three channels without copying it: gray is repeated and alpha dropped.

    Parameters
    ----------
    image : array_like, (height, width) or (height, width, 1 to 4)
        Two channels are gray and alpha.

    Returns
    -------
    ndarray of the same dtype, (height, width, 3)

    Raises
    ------
    UserError
        The array is a stack or empty, or its values are not real numbers.
    """
    image, _ = plain_array(image)
    if not image.size or image.ndim not in (2, 3) or image.ndim == 3 and image.shape[2] > 4:
        raise UserError(
            f"An image of shape {image.shape} is empty, or neither gray nor color: "
            "segment the planes of a stack, or the channels of a composite, one at a time."
        )
    if image.ndim == 3 and image.shape[2] > 2:
        return image[:, :, :3]
    gray = image if image.ndim == 2 else image[:, :, 0]
    return np.broadcast_to(gray[:, :, None], (*gray.shape, 3))


def normalize(rgb: np.ndarray) -> np.ndarray:
    """Convert colors to the input of the network: blue, green, red minus the means of ImageNet.

    Parameters
    ----------
    rgb : ndarray of float32, (..., 3)
        Red, green, blue, 0 to 255.

    Returns
    -------
    ndarray of float32, (..., 3)
        Values of -124 to 152.
    """
    return rgb[..., ::-1] - MEANS
