"""Training patches: an in-focus source, defocused, exposed, and cut up."""

import functools
from typing import Any, Sequence, Tuple, Union

import numpy as np
from scipy import fft
from scipy.ndimage import affine_transform, gaussian_filter

from focusqual.inference.patches import PATCH_SIZE, normalise
from focusqual.levels import LEVEL_DEPTH, LEVELS
from focusqual.simulation.camera import add_noise, digitise, photograph
from focusqual.simulation.optics import point_spread_function
from focusqual.simulation.scenes import haze, random_scene

MARGIN = 36
"""Pixels cut off after the blur, which wraps round at the borders."""
FIELD = 2 * PATCH_SIZE + 2 * MARGIN
"""Height and width of a source in pixels: 2x2 patches and the margins."""
DEPTHS_PER_SOURCE = 6
"""How often each source is defocused, as the draw of a source takes the longest."""
BEYOND = 16.0
"""Level up to which deeper defocus still counts as the last level."""
DEPTH_STEP = 0.1
"""In levels, from one tabulated transfer function to the next."""


def sample(
    seed: Union[int, Sequence[int]], images: Sequence[np.ndarray], sources: int, plain: bool = False
) -> Tuple[np.ndarray, np.ndarray]:
    """Draw normalised patches with their levels.

    Parameters
    ----------
    seed : int or sequence of int
        The same seed gives the same patches.
    images : list of ndarray of float32, (height, width)
        In focus, as :func:`focusqual.simulation.sources.clean` gives them.
    sources : int
        How many images, scenes or blank fields to draw; each gives 24 patches.
    plain : bool
        Defocused to the very level and photographed by an ordinary camera, as for calibration and
        validation; otherwise varied in depth, thickness and camera beyond what is common.

    Returns
    -------
    patches : ndarray of float16, (24 sources, 84, 84)
    levels : ndarray of int, (24 sources,)
        0 to 10.
    """
    rng = np.random.default_rng(seed)
    patches, levels = [], []
    for _ in range(sources):
        transform = fft.rfft2(_source(rng, images), workers=1)
        for _ in range(DEPTHS_PER_SOURCE):
            level, depth = random_depth(rng)
            transfer = _transfer_at(level) if plain else _random_transfer(rng, depth)
            light = fft.irfft2(transform * transfer, (FIELD, FIELD), workers=1)
            camera = photograph if plain else expose
            patches.append(_quarters(camera(rng, light[MARGIN:-MARGIN, MARGIN:-MARGIN])))
            levels += [level] * 4
    return normalise(np.concatenate(patches)).astype(np.float16), np.array(levels)


def random_depth(rng: np.random.Generator) -> Tuple[int, float]:
    """Draw a level and a defocus near it, in levels; for the last level often far beyond it."""
    level = int(rng.integers(LEVELS))
    if level == LEVELS - 1 and rng.uniform() < 0.35:
        return level, rng.uniform(level, BEYOND)
    return level, max(level + rng.uniform(-0.15, 0.15), 0)


def expose(rng: np.random.Generator, light: np.ndarray) -> np.ndarray:
    """Photograph a scene with a random camera.

    Parameters
    ----------
    rng : numpy.random.Generator
    light : ndarray, (height, width)
        At least 0 up to rounding; bright structures are about 1.

    Returns
    -------
    ndarray, (height, width), uint8 or uint16
    """
    peak = np.exp(rng.uniform(np.log(30), np.log(6000)))
    background = rng.choice([0, rng.uniform(0, 0.1), rng.uniform(0, 0.5)])
    slope = rng.uniform(-1, 1, 2) * rng.choice([0, 0.5])
    rows, cols = np.ogrid[-0.5 : 0.5 : light.shape[0] * 1j, -0.5 : 0.5 : light.shape[1] * 1j]  # type: ignore[misc]
    photons = peak * (light + background * (1 + slope[0] * rows + slope[1] * cols))
    counted = photons  # denoised, averaged or generated images have no grain
    if rng.uniform() < 0.92:
        counted = add_noise(photons, rng, read_noise=rng.choice([0, rng.uniform(0, 5)]))
    bits = int(rng.choice([8, 12, 16]))
    full = 2**bits - 1
    used = np.exp(rng.uniform(np.log(0.06), np.log(1.4)))
    return digitise(counted / peak * used * full + rng.uniform(0, 0.1) * full, bits)


def _source(rng: np.random.Generator, images: Sequence[np.ndarray]) -> np.ndarray:
    kind = rng.uniform()
    if kind < 0.02:
        return np.full((FIELD, FIELD), rng.uniform(0, 0.3), dtype=np.float32)
    if kind < 0.55 or not images:
        return random_scene(rng, FIELD)
    image = images[rng.integers(len(images))]
    source = _random_view(rng, image)
    if rng.uniform() < 0.15:
        source += haze(rng, source[::-1, ::-1])
    return source


def _random_view(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Rotated, mirrored and rescaled part of an image that shows something, (FIELD, FIELD)."""
    zoom = np.exp(rng.uniform(np.log(0.4), np.log(1.5))) if rng.uniform() < 0.7 else 1.0
    if zoom < 1:
        image = gaussian_filter(image, 0.45 * (1 / zoom - 1))
    angle = rng.uniform(0, 2 * np.pi) if zoom != 1 else rng.integers(4) * np.pi / 2
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / zoom
    matrix[:, 0] *= rng.choice([-1, 1])
    # Bright pixels are likelier centres, so that fewer patches are empty.
    candidates = rng.integers(image.shape, size=(4, 2))
    centre = candidates[np.argmax(image[tuple(candidates.T)])]
    offset = centre - matrix @ np.full(2, FIELD / 2)
    order = 3 if zoom > 1.3 else 1
    view = affine_transform(
        image, matrix, offset, (FIELD, FIELD), np.float32, order=order, mode="mirror"
    )
    return np.maximum(view, 0) * np.float32(rng.uniform(0.5, 1.2))


def _random_transfer(rng: np.random.Generator, depth: float) -> np.ndarray:
    """Optical transfer function of a thin or a somewhat thick specimen, depth in levels."""
    if rng.uniform() < 0.75:
        return _transfer_at(depth)
    thickness = rng.uniform(0.2, 0.2 + 0.08 * depth)
    total: Any = sum(_transfer_at(abs(depth + shift * thickness)) for shift in (-1, 0, 1))
    return total / 3


def _transfer_at(depth: float) -> np.ndarray:
    return _tabulated_transfer(round(depth / DEPTH_STEP))


@functools.lru_cache(maxsize=None)
def _tabulated_transfer(step: int) -> np.ndarray:
    """Transfer function of a multiple of DEPTH_STEP on the grid of FIELD, complex64."""
    if step == 0:
        return np.ones((FIELD, FIELD // 2 + 1), dtype=np.complex64)
    psf = point_spread_function(step * DEPTH_STEP * LEVEL_DEPTH)
    radius = psf.shape[0] // 2
    kernel = np.zeros((FIELD, FIELD), dtype=np.float32)
    kernel[: psf.shape[0], : psf.shape[1]] = psf
    return fft.rfft2(np.roll(kernel, (-radius, -radius), (0, 1)))


def _quarters(picture: np.ndarray) -> np.ndarray:
    size = PATCH_SIZE
    return (
        picture.reshape(2, size, 2, size).swapaxes(1, 2).reshape(4, size, size).astype(np.float32)
    )
