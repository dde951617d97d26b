"""From color to gray."""

from typing import Sequence

import numpy as np

from micrograph_networks.errors import UserError

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""ITU-R BT.601, the weights of CellProfiler's and scikit-image's predecessors alike."""


def is_image(shape: Sequence[int]) -> bool:
    """Whether an array is an image, (height, width) or (height, width, 1 to 4), and no stack.

    Parameters
    ----------
    shape : tuple of int

    Returns
    -------
    bool
    """
    return len(shape) == 2 or len(shape) == 3 and shape[2] in (1, 2, 3, 4)


def to_gray(image: np.ndarray) -> np.ndarray:
    """Bring a gray or color image to one channel.

    Alpha is dropped and colors are weighed by ITU-R BT.601 luma (0.299, 0.587, 0.114).

    Parameters
    ----------
    image : ndarray, (height, width) or (height, width, 1 to 4), any real dtype

    Returns
    -------
    ndarray, (height, width)
        The image itself where it is gray, else float32 of the same range.

    Raises
    ------
    UserError
        The array has other dimensions, such as a 3-D stack.
    """
    if not is_image(image.shape):
        raise UserError(
            f"An image of shape {image.shape} is neither gray nor color: "
            "rate the planes of a stack, or the channels of a composite, one at a time."
        )
    if image.ndim == 2:
        return image
    if image.shape[2] < 3:
        return image[:, :, 0]
    return image[:, :, :3].astype(np.float32) @ LUMA
