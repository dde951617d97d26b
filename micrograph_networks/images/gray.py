"""Plain arrays from what users call an image, and gray images from color ones."""

from typing import Optional, Sequence, Tuple

import numpy as np

from micrograph_networks.errors import UserError

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""Weights of red, green and blue: luma of ITU-R BT.601."""

LARGE_OFFSET = 1024
"""Ratio of the lowest value to the range of values above which float32 has too few digits."""


def is_image(shape: Sequence[int]) -> bool:
    """Return True if a shape is (height, width) or (height, width, 1 to 4); False for a stack."""
    return len(shape) == 2 or len(shape) == 3 and shape[2] in (1, 2, 3, 4)


def plain_array(image: np.ndarray) -> Tuple[np.ndarray, Optional[np.ndarray]]:
    """Return the pixels of an image, and its own mask.

    Parameters
    ----------
    image : array_like, (height, width) or (height, width, channels), any real dtype
        In any byte order; may be a masked array of ``numpy.ma``.

    Returns
    -------
    pixels : ndarray
        Ordinary array in the byte order of this computer, not copied if it is one already.
    mask : ndarray of bool, (height, width), or None
        False where a masked array is masked in any channel; None if nothing is masked.

    Raises
    ------
    UserError
        The values are not real numbers.
    """
    pixels = np.asarray(image)
    if pixels.dtype.kind not in "buif":
        raise UserError(f"An image of {pixels.dtype} does not hold real numbers: convert it first.")
    pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    masked = np.ma.getmask(image)
    if not masked.any():
        return pixels, None
    return pixels, ~(masked.any(axis=2) if masked.ndim == 3 else masked)


def without_offset(image: np.ndarray) -> Tuple[np.ndarray, float]:
    """Subtract a large camera offset, so that float32 holds the differences of gray levels.

    Parameters
    ----------
    image : ndarray of any shape and real dtype
        In the byte order of this computer. NaN and infinity stay.

    Returns
    -------
    image : ndarray
        The image itself if float32 holds its differences; otherwise float64.
    offset : float
        What was subtracted.
    """
    if image.dtype.itemsize <= 2 or image.dtype == np.float32:
        return image, 0
    is_float = image.dtype.kind == "f"
    if is_float:
        finite = np.isfinite(image)
        low = image.min(initial=np.inf, where=finite).item()
        high = image.max(initial=-np.inf, where=finite).item()
    else:
        low, high = int(image.min()), int(image.max())
    if abs(low) <= LARGE_OFFSET * (high - low) or low == np.inf:
        return image, 0
    if is_float:
        return image - low, low
    # Modulo 2**64 the differences are exact for all integers.
    return (image.astype(np.uint64) - np.uint64(low % 2**64)).astype(np.float64), low


def to_gray(image: np.ndarray) -> np.ndarray:
    """Convert a gray or color image to one channel.

    Parameters
    ----------
    image : ndarray, (height, width) or (height, width, 1 to 4), any real dtype
        Gray, gray with alpha (always the meaning of two channels), RGB, or RGB with alpha.

    Returns
    -------
    ndarray, (height, width)
        The image itself if it is gray, otherwise the luma as float32 of the same range. Alpha is
        ignored.

    Raises
    ------
    UserError
        The array is not an image, for example a 3-D stack, or has no pixels.
    """
    image, _ = plain_array(image)
    if 0 in image.shape:
        raise UserError(f"An image of shape {image.shape} has no pixels: choose another one.")
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
