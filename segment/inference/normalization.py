"""Normalization of images of any bit depth to the input of the dark-field network."""

import numpy as np

from micrograph_networks.errors import UserError
from micrograph_networks.images.gray import plain_array

NORMALIZATION = "bgr-minus-imagenet-mean"
"""Name of :func:`normalize` in weights files."""
# VGG16 was trained on blue, green, red of 0 to 255 minus their means over ImageNet: Simonyan and
# Zisserman 2015, Very deep convolutional networks, section 2.1; Keras's mode "caffe".
MEANS = np.array([103.939, 116.779, 123.68], dtype=np.float32)


def to_rgb(image: np.ndarray) -> np.ndarray:
    """Convert a gray or color image of any bit depth to red, green, blue of 0 to 255.

    8-bit values are taken as they are. 16-bit values are divided by 257, so that 65535 becomes 255:
    a 12-bit image in 16-bit numbers looks dark, so multiply it by 16 first. Booleans become 0 and
    255. Floats are intensities of 0 to 1, as in CellProfiler: they are clipped and multiplied by
    255. Gray is repeated and alpha dropped.

    Parameters
    ----------
    image : ndarray, (height, width) or (height, width, 1 to 4)
        Image of dtype bool, uint8, uint16 or float.

    Returns
    -------
    ndarray of float32, (height, width, 3)
        NaN where the image is NaN.

    Raises
    ------
    UserError
        As for :func:`as_color`.
    """
    color = as_color(image)
    if color.dtype == np.uint8:
        return color.astype(np.float32)
    if color.dtype == np.uint16:
        return color / np.float32(257)
    return np.clip(color.astype(np.float32), 0, 1) * 255


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
        The array is a stack, empty, or of a dtype whose range is not known.
    """
    image, _ = plain_array(image)
    if not image.size or image.ndim not in (2, 3) or image.ndim == 3 and image.shape[2] > 4:
        raise UserError(
            f"An image of shape {image.shape} is empty, or neither gray nor color: "
            "segment the planes of a stack, or the channels of a composite, one at a time."
        )
    if image.dtype not in (np.uint8, np.uint16) and image.dtype.kind not in "bf":
        raise UserError(
            f"An image of {image.dtype} has no known range: "
            "convert it to uint8, uint16, or floats of 0 to 1."
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
