"""Intensities of 0 to 1, as CellProfiler's NamesAndTypes makes them of the pixels of a file."""

from typing import Optional, Union

import numpy as np

from micrograph_networks.errors import UserError

METADATA = "metadata"
"""Intensity range by the metadata of a file; by its bit depth if they do not tell."""
BIT_DEPTH = "bit-depth"
"""Intensity range by the bit depth of a file."""
IntensityRange = Union[str, float]
"""METADATA, BIT_DEPTH, or the pixel value that becomes 1."""


def to_intensities(
    image: np.ndarray, maximum: Optional[float] = None, intensity_range: IntensityRange = METADATA
) -> np.ndarray:
    """Scale the pixels of a file to intensities, as CellProfiler's "Set intensity range from" does.

    Parameters
    ----------
    image : ndarray, (height, width) or (height, width, channels), any real dtype
    maximum : float, optional
        Pixel value that becomes 1 by the metadata of the file; None if they do not tell.
    intensity_range : str or float
        METADATA ("Image metadata" in CellProfiler), BIT_DEPTH ("Image bit-depth") or the pixel
        value that becomes 1 ("Manual").

    Returns
    -------
    ndarray of the image's shape
        float32; or the image itself if it is Boolean, or 8 or 16 bits with their full range.

    Raises
    ------
    UserError
        The metadata say that a saturated pixel is 0 or less.
    """
    limits = np.iinfo(image.dtype) if image.dtype.kind in "iu" else None
    largest = float(limits.max - limits.min) if limits else 1.0
    offset = 0.0
    if intensity_range == BIT_DEPTH:
        highest = largest
        offset = float(limits.min) if limits else 0.0  # only here signed integers are shifted
    elif intensity_range == METADATA:
        highest = largest if maximum is None else maximum
    else:
        highest = float(intensity_range)
    if highest <= 0:
        raise UserError(
            f"The metadata say that a saturated pixel is {highest:g}: "
            f"choose --intensity-range {BIT_DEPTH}."
        )
    if image.dtype == bool or image.dtype in (np.uint8, np.uint16) and highest == largest:
        return image
    with np.errstate(all="ignore"):  # NaN and infinity remain
        return (image.astype(np.float32) - np.float32(offset)) / np.float32(highest)
