"""Processing of pictures after the camera: filters, compression, corrections and defects.

No step blurs more than one defocus level does (a standard deviation of 0.77 pixels in each
direction), so a picture keeps its level. Resampling changes the size of everything, including the
level, so such a picture is taken at the level that becomes the wanted one.
"""

import io
from typing import Callable, Dict

import numpy as np
from PIL import Image
from scipy import ndimage
from skimage import restoration

from focusqual.simulation.denoising import denoise, noise

Step = Callable[[np.random.Generator, np.ndarray], np.ndarray]
"""Processing of a picture, float32 (height, width) from 0 to about 1."""


def sharpen(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Sharpen with an unsharp mask."""
    radius, amount = rng.uniform(0.7, 3), rng.uniform(0.3, 1.5)
    return picture + amount * (picture - ndimage.gaussian_filter(picture, radius))


def deconvolve(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Deconvolve with 2 to 7 Richardson-Lucy iterations and a narrow point spread function."""
    sigma = rng.uniform(0.6, 1.2)
    offsets = np.arange(-4, 5)
    line = np.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = (np.outer(line, line) / line.sum() ** 2).astype(np.float32)
    iterations = int(rng.integers(2, 8))
    padded = np.pad(np.maximum(picture, 0) + 1e-4, 12, mode="symmetric")
    return restoration.richardson_lucy(padded, kernel, iterations, clip=False)[12:-12, 12:-12]


def jpeg(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Compress as JPEG with quality 60 to 95."""
    file = io.BytesIO()
    gray = np.uint8(np.rint(eight_bits(rng, picture) * 255))
    Image.fromarray(gray).save(file, "JPEG", quality=int(rng.integers(60, 96)))
    return np.asarray(Image.open(file), dtype=np.float32) / 255


def eight_bits(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Stretch to the full range and round to 64 or 256 gray levels."""
    low, high = picture.min(), np.percentile(picture, rng.choice([100, 99.9]))
    levels = rng.choice([255, 255, 63])
    return np.rint(np.clip((picture - low) / max(high - low, 1e-6), 0, 1) * levels) / levels


def subtract_background(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Subtract a background opened and smoothed in wide windows, as a rolling ball does."""
    reach = rng.uniform(10, 40)
    small = ndimage.gaussian_filter(picture, 2)[::4, ::4]
    opened = ndimage.grey_opening(small, int(reach / 2) | 1, mode="reflect")
    wide = ndimage.zoom(ndimage.gaussian_filter(opened, reach / 8), 4, order=1)
    wide = wide[: picture.shape[0], : picture.shape[1]]
    return np.maximum(picture - wide - rng.choice([0, 1, 2]) * noise(picture), 0)


def flatten_field(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Divide by a smooth illumination, which need not be the true one."""
    rows, cols = np.ogrid[-1 : 1 : picture.shape[0] * 1j, -1 : 1 : picture.shape[1] * 1j]  # type: ignore[misc]
    tilt = rng.uniform(-0.2, 0.2, 3)
    return picture / (1 + tilt[0] * rows + tilt[1] * cols + tilt[2] * (rows**2 + cols**2))


def hot_pixels(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Add up to 29 bright pixels."""
    picture = picture.copy()
    count = rng.integers(1, 30)
    rows, cols = rng.integers(0, picture.shape[0], (2, count))
    picture[rows, cols] = picture.max() * rng.uniform(0.3, 2, count)
    return picture


def stitch(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Add a seam between two tiles of different brightness."""
    picture = picture.copy()
    across = picture if rng.uniform() < 0.5 else picture.T
    row = rng.integers(1, across.shape[0])
    across[:row] = across[:row] * rng.uniform(0.85, 1.15) + rng.uniform(-0.02, 0.02)
    return picture


STEPS: Dict[Step, float] = {
    denoise: 23,
    sharpen: 2,
    deconvolve: 1,
    jpeg: 3,
    eight_bits: 1,
    subtract_background: 2,
    flatten_field: 1,
    hot_pixels: 1,
    stitch: 1,
}
"""Relative frequency of each step."""


def process(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Apply one or two random :data:`STEPS` to a picture."""
    shares = np.array(list(STEPS.values())) / sum(STEPS.values())
    for chosen in rng.choice(len(STEPS), size=rng.choice([1, 2], p=[0.65, 0.35]), p=shares):
        picture = list(STEPS)[chosen](rng, picture.astype(np.float32))
    return picture.astype(np.float32)


def resample(rng: np.random.Generator, picture: np.ndarray, factor: float) -> np.ndarray:
    """Enlarge or shrink the content of a picture, keeping its height and width.

    Parameters
    ----------
    rng : numpy.random.Generator
    picture : ndarray, (height, width)
    factor : float
        Above 1 the center is enlarged; below 1 the picture is mirrored at its borders. A factor of
        0.5 bins 2x2 pixels; others use a spline of random order.

    Returns
    -------
    ndarray of float32, (height, width)
    """
    height, width = picture.shape
    if factor == 0.5:
        wide = np.pad(picture, ((height // 2,) * 2, (width // 2,) * 2), mode="symmetric")
        return wide.reshape(height, 2, width, 2).mean(axis=(1, 3))
    order = int(rng.choice([0, 1, 1, 3, 3]))
    if factor < 1 and rng.uniform() < 0.5:
        picture = ndimage.gaussian_filter(picture, (1 / factor - 1) / 2)
    offset = np.array(picture.shape) / 2 * (1 - 1 / factor) + rng.uniform(0, 1, 2)
    return ndimage.affine_transform(
        picture, np.eye(2) / factor, offset, order=order, mode="mirror", output=np.float32
    )
