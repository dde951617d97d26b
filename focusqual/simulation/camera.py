"""What a camera makes of the light that reaches it."""

import numpy as np


def change_exposure(image: np.ndarray, factor: float, offset: float = 0.0) -> np.ndarray:
    """Change the exposure of an image that carries a camera offset.

    Parameters
    ----------
    image : ndarray, any real dtype
    factor : float
        Ratio of the new to the old exposure.
    offset : float
        The camera's reading without light, in the units of the image; it stays as it is.

    Returns
    -------
    ndarray of float32
    """
    return (np.asarray(image, dtype=np.float32) - offset) * factor + offset


def add_noise(photons: np.ndarray, rng: np.random.Generator, read_noise: float = 0.0) -> np.ndarray:
    """Replace expected photon counts by counted ones.

    Parameters
    ----------
    photons : ndarray
        Expected counts, at least 0.
    rng : numpy.random.Generator
    read_noise : float
        Standard deviation of the camera's Gaussian noise, in photons.

    Returns
    -------
    ndarray of float32
        Poisson counts, plus read noise, so values may lie below 0.
    """
    counted = rng.poisson(np.maximum(photons, 0)).astype(np.float32)
    if read_noise:
        counted += rng.standard_normal(counted.shape, dtype=np.float32) * np.float32(read_noise)
    return counted


def digitize(values: np.ndarray, bits: int) -> np.ndarray:
    """Round to gray levels and saturate.

    Parameters
    ----------
    values : ndarray
        In gray levels.
    bits : int
        8 to 16; values above ``2**bits - 1`` saturate.

    Returns
    -------
    ndarray, uint8 for 8 bits, else uint16
    """
    return np.clip(np.rint(values), 0, 2**bits - 1).astype(np.uint8 if bits == 8 else np.uint16)


def photograph(rng: np.random.Generator, light: np.ndarray) -> np.ndarray:
    """A 16-bit photograph of a scene, with 200 to 2000 photons in bright cells.

    Parameters
    ----------
    rng : numpy.random.Generator
    light : ndarray, (height, width)
        Bright cells at 1.

    Returns
    -------
    ndarray of uint16, (height, width)
        With a camera offset of 100 and a background of up to a tenth of the cells' light.
    """
    peak = np.exp(rng.uniform(np.log(200), np.log(2000)))
    counted = add_noise(peak * (light + rng.uniform(0, 0.1)), rng, read_noise=2)
    return digitize(100 + counted * rng.uniform(1, 8), 16)
