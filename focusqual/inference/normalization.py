"""Normalization of patches, the network's input."""

import numpy as np

NORMALIZATION = "arcsinh((patch - mean) / standard deviation); 0 where the patch is constant"
"""Description of :func:`normalize` in weights files."""
BLOCK = 32
"""Number of patches that are normalized at a time, to fit the processor's cache."""


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
    patches = np.asarray(patches)
    normalized = np.empty(patches.shape, dtype=np.float32)
    for start in range(0, len(patches), BLOCK):
        block = slice(start, start + BLOCK)
        standardized = _standardize(patches[block].astype(np.float32))
        _arcsinh(standardized, out=normalized[block])
    return normalized


def _standardize(patches: np.ndarray) -> np.ndarray:
    """Return patches of float32 with mean 0 and standard deviation 1."""
    mean = patches.mean(axis=(1, 2), keepdims=True, dtype=np.float64).astype(np.float32)
    centered = patches - mean
    deviation = np.sqrt(np.einsum("nhw,nhw->n", centered, centered) / centered[0].size)
    deviation = deviation[:, None, None]
    # In a constant patch only rounding errors of about 1e-7 of the gray level remain.
    constant = deviation <= 1e-6 * np.abs(mean)
    centered *= np.where(constant, 0, 1 / np.where(constant, 1, deviation))
    return centered


def _arcsinh(x: np.ndarray, out: np.ndarray) -> None:
    """Write the arcsinh, exact to 4e-7: NumPy's own takes five times longer with AVX2."""
    np.multiply(x, x, out=out)
    out += 1
    np.sqrt(out, out=out)
    out += np.abs(x)
    np.log(out, out=out)
    np.copysign(out, x, out=out)
