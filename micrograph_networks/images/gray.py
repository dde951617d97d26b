"""Convert color images to gray."""

from typing import Sequence

import numpy as np

from micrograph_networks.errors import UserError

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""Weights of red, green and blue: luma of ITU-R BT.601."""


def is_image(shape: Sequence[int]) -> bool:
    """Return True if a shape is (height, width) or (height, width, 1 to 4); False for a stack."""
    return len(shape) == 2 or len(shape) == 3 and shape[2] in (1, 2, 3, 4)


def to_gray(image: np.ndarray) -> np.ndarray:
    """Convert a gray or color image to one channel.

    Parameters
    ----------
    image : ndarray, (height, width) or (height, width, 1 to 4), any real dtype
        Gray, gray with alpha, RGB, or RGB with alpha.

    Returns
    -------
    ndarray, (height, width)
        The image itself if it is gray, otherwise the luma as float32 of the same range. Alpha is
        ignored.

    Raises
    ------
    UserError
        The array is not an image, for example a 3-D stack.
    """
    if not is_image(image.shape):
        raise UserError(
            f"An image of shape {image.shape} is neither gray nor color: "
            "measure the planes of a stack, or the channels of a composite, one at a time."
        )
    if image.ndim == 2:
        return image
    if image.shape[2] < 3:
        return image[:, :, 0]
    return image[:, :, :3].astype(np.float32) @ LUMA
