"""Normalization of patches, the network's input."""

import numpy as np

NORMALIZATION = "arcsinh((patch - mean) / standard deviation); 0 where the patch is constant"
"""Description of :func:`normalize` in weights files."""


def normalize(patches: np.ndarray) -> np.ndarray:
    """Make patches independent of exposure, camera offset and scaling of the gray levels.

    Each patch is standardized to mean 0 and standard deviation 1, then compressed by arcsinh so
    that a few bright pixels do not dominate.

    Parameters
    ----------
    patches : ndarray, (n, height, width), any real dtype, finite

    Returns
    -------
    ndarray of float32, (n, height, width)
        0 everywhere in a constant patch.
    """
    patches = np.asarray(patches, dtype=np.float32)
    mean = patches.mean(axis=(1, 2), keepdims=True, dtype=np.float64).astype(np.float32)
    centered = patches - mean
    deviation = np.sqrt(np.einsum("nhw,nhw->n", centered, centered) / centered[0].size)
    deviation = deviation[:, None, None]
    # In a constant patch only rounding errors of about 1e-7 of the gray level remain.
    constant = deviation <= 1e-6 * np.abs(mean)
    centered *= np.where(constant, 0, 1 / np.where(constant, 1, deviation))
    return np.arcsinh(centered, out=centered)
