"""Patches of an image and their one normalization."""

from typing import Sequence, Tuple

import numpy as np

from micrograph_networks.images.tiling import tile_starts

PATCH_SIZE = 84
"""Height and width of a patch in pixels, as in Yang et al. 2018."""

NORMALIZATION = "arcsinh((patch - mean) / standard deviation); 0 where the patch is constant"
"""Of :func:`normalize`, as weights files describe it."""


def patch_starts(shape: Sequence[int], stride: int) -> Tuple[np.ndarray, ...]:
    """Top rows and left columns of the grid of patches that covers an image.

    Parameters
    ----------
    shape : (height, width)
        At least one patch each way.
    stride : int
        From one patch to the next in pixels, 1 to 84.

    Returns
    -------
    tops, lefts : ndarray of int
    """
    return tuple(tile_starts(length, PATCH_SIZE, stride) for length in shape)


def normalize(patches: np.ndarray) -> np.ndarray:
    """Make patches independent of exposure, camera offset and scaling of the gray levels.

    Each patch is brought to mean 0 and standard deviation 1, then compressed by arcsinh, so that
    a few bright pixels do not hide the rest.

    Parameters
    ----------
    patches : ndarray, (n, height, width), any real dtype, finite

    Returns
    -------
    ndarray of float32, (n, height, width)
        A constant patch is 0 everywhere.
    """
    patches = np.asarray(patches, dtype=np.float32)
    mean = patches.mean(axis=(1, 2), keepdims=True, dtype=np.float64).astype(np.float32)
    centered = patches - mean
    deviation = np.sqrt(np.einsum("nhw,nhw->n", centered, centered) / centered[0].size)
    deviation = deviation[:, None, None]
    # What is left of a constant patch is rounding of the order of 1e-7 of its gray level.
    constant = deviation <= 1e-6 * np.abs(mean)
    centered *= np.where(constant, 0, 1 / np.where(constant, 1, deviation))
    return np.arcsinh(centered, out=centered)
