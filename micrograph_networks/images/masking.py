"""Masks of valid pixels, and values for the pixels outside of them."""

from typing import Optional

import numpy as np
from scipy.ndimage import distance_transform_edt

from micrograph_networks.errors import UserError


def valid_pixels(image: np.ndarray, *masks: Optional[np.ndarray]) -> np.ndarray:
    """Return the mask of the pixels that are finite and inside other masks.

    Parameters
    ----------
    image : ndarray, (height, width) or (height, width, channels)
    *masks : array_like, (height, width), or None
        Nonzero inside; NaN is outside. What a masked array of ``numpy.ma`` masks is outside.

    Returns
    -------
    ndarray of bool, (height, width)

    Raises
    ------
    UserError
        A mask has another shape than the image.
    """
    valid = np.isfinite(image) if image.dtype.kind == "f" else np.ones(image.shape, dtype=bool)
    if valid.ndim == 3:
        valid = valid.all(axis=2)
    for mask in masks:
        if mask is None:
            continue
        inside = np.nan_to_num(np.ma.filled(mask, 0)) != 0
        if inside.shape != valid.shape:
            raise UserError(
                f"The mask is of shape {inside.shape} but the image is of shape {valid.shape}: "
                "use the mask of this image."
            )
        valid = valid & inside
    return valid


def mirror_inside(image: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Replace invalid pixels by the mirror image of the valid ones across the mask's outline.

    This way the outline is not an edge in the image, and invalid pixels have no influence.

    Parameters
    ----------
    image : ndarray, (height, width) or (height, width, channels)
    valid : ndarray of bool, (height, width)

    Returns
    -------
    ndarray of the image's shape and dtype
        0 everywhere if no pixel is valid.
    """
    outside = np.nonzero(~valid)
    if len(outside[0]) == 0:
        return image
    if not valid.any():
        return np.zeros_like(image)
    nearest = distance_transform_edt(~valid, return_distances=False, return_indices=True)
    nearest = nearest[(slice(None), *outside)]
    limits = np.array(valid.shape).reshape(2, 1) - 1
    mirrored = np.clip(2 * nearest - outside, 0, limits)
    source = np.where(valid[tuple(mirrored)], mirrored, nearest)
    filled = image.copy()
    filled[outside] = image[tuple(source)]
    return filled
