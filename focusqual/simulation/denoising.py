"""Removal of noise from pictures, by methods that programs offer.

Every method takes a generator, a picture, float32 (height, width), and a strength, and returns a
picture of that shape. At :data:`USUAL` strengths no method blurs more than one defocus level does
(a standard deviation of 0.77 pixels in each direction). At higher ones details disappear.
"""

from typing import Callable, Dict, Tuple

import numpy as np
from scipy import ndimage
from skimage import restoration

Method = Callable[[np.random.Generator, np.ndarray, float], np.ndarray]

USUAL = (0.5, 1.4)
"""Range of strengths that keep the details of a picture."""
ANY = (0.5, 5.0)
"""Range of strengths, up to those that leave only the coarsest fluctuations."""


def noise(picture: np.ndarray) -> float:
    """Return the standard deviation of the noise; 0 if most neighboring pixels are equal.

    Estimated from the median of second differences (Donoho and Johnstone 1994, Ideal spatial
    adaptation by wavelet shrinkage, section 4.3, on the finest scale).
    """
    mixed = picture[1:, 1:] - picture[:-1, 1:] - picture[1:, :-1] + picture[:-1, :-1]
    return float(np.median(np.abs(mixed))) / (0.6745 * 2)


def smooth(rng: np.random.Generator, picture: np.ndarray, strength: float) -> np.ndarray:
    """Smooth with a Gaussian, of 0.55 pixels at strength 1."""
    return ndimage.gaussian_filter(picture, 0.55 * strength)


def median(rng: np.random.Generator, picture: np.ndarray, strength: float) -> np.ndarray:
    """Take the median of 3x3 pixels, or of up to 7x7 above a strength of 2."""
    return ndimage.median_filter(picture, int(np.clip(strength + 1, 3, 7)) // 2 * 2 + 1)


def local_statistics(rng: np.random.Generator, picture: np.ndarray, strength: float) -> np.ndarray:
    """Average where the variance in a window is that of noise (Lee 1980)."""
    size = 3 if strength < 2 else 5
    mean = ndimage.uniform_filter(picture, size)
    variance = ndimage.uniform_filter((picture - mean) ** 2, size)
    kept = 1 - np.minimum((strength * noise(picture)) ** 2 / np.maximum(variance, 1e-12), 1)
    return mean + kept * (picture - mean)


def bilateral(rng: np.random.Generator, picture: np.ndarray, strength: float) -> np.ndarray:
    """Average similar neighbors (bilateral filter, Tomasi and Manduchi 1998)."""
    radius, sigma = int(rng.integers(2, 4)), rng.uniform(0.8, 2)
    reach = 2.5 * strength * (noise(picture) + 1e-6)
    height, width = picture.shape
    padded = np.pad(picture, radius, mode="symmetric")
    total, weights = np.zeros_like(picture), np.zeros_like(picture)
    for dy, dx in np.ndindex(2 * radius + 1, 2 * radius + 1):
        other = padded[dy : dy + height, dx : dx + width]
        apart = ((dy - radius) ** 2 + (dx - radius) ** 2) / sigma**2
        weight = np.exp(-0.5 * (((other - picture) / reach) ** 2 + apart))
        total += weight * other
        weights += weight
    return total / weights


def wavelets(rng: np.random.Generator, picture: np.ndarray, strength: float) -> np.ndarray:
    """Shrink the wavelet coefficients."""
    sigma = 0.5 * strength * noise(picture)
    if sigma == 0:
        return picture
    return restoration.denoise_wavelet(
        picture,
        sigma=sigma,
        wavelet=str(rng.choice(["db1", "db2", "sym4", "coif1"])),
        mode=str(rng.choice(["soft", "hard"])),
        method=str(rng.choice(["VisuShrink", "BayesShrink"])),
        rescale_sigma=True,
    )


def total_variation(rng: np.random.Generator, picture: np.ndarray, strength: float) -> np.ndarray:
    """Minimize the total variation (Chambolle 2004)."""
    sigma = noise(picture)
    if sigma == 0:
        return picture
    # The method expects gray levels with a range of about 1.
    scaled = picture / (10 * sigma)
    return restoration.denoise_tv_chambolle(scaled, 0.08 * strength, 1e-3, 50) * (10 * sigma)


def non_local_means(rng: np.random.Generator, picture: np.ndarray, strength: float) -> np.ndarray:
    """Average similar regions (non-local means, Buades et al. 2005)."""
    sigma = noise(picture)
    if sigma == 0:
        return picture
    return restoration.denoise_nl_means(
        picture,
        patch_size=int(rng.choice([3, 5, 7])),
        patch_distance=int(rng.integers(3, 8)),
        h=0.85 * strength * sigma,
        sigma=rng.choice([0, sigma]),
        fast_mode=True,
    )


METHODS: Dict[Method, float] = {
    smooth: 4,
    median: 3,
    local_statistics: 1,
    bilateral: 4,
    wavelets: 2,
    total_variation: 2,
    non_local_means: 7,
}
"""Relative frequency of each method."""


def denoise(
    rng: np.random.Generator, picture: np.ndarray, strengths: Tuple[float, float] = USUAL
) -> np.ndarray:
    """Apply a random one of :data:`METHODS`, at a strength of a range."""
    shares = np.array(list(METHODS.values())) / sum(METHODS.values())
    method = list(METHODS)[rng.choice(len(METHODS), p=shares)]
    low, high = np.log(strengths)
    return method(rng, picture, float(np.exp(rng.uniform(low, high)))).astype(np.float32)
