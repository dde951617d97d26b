"""Draw training patches: simulated photographs of slides at known defocus levels."""

import functools
import math
from dataclasses import replace
from typing import Callable, List, Sequence, Tuple, Union

import numpy as np

from focusqual.inference.normalization import normalize
from focusqual.inference.patches import PATCH_SIZE
from focusqual.levels import LEVELS
from focusqual.simulation.camera import add_noise_quickly, digitize, photograph
from focusqual.simulation.denoising import ANY, denoise
from focusqual.simulation.microscopes import Microscope, focus_level
from focusqual.simulation.processing import process, resample
from focusqual.training.slides import SIDE, Light, Slide, Sources, random_slide, random_specimen

DEPTHS_PER_SLIDE = 6
"""Number of times that each slide is photographed: drawing a specimen takes the longest."""
BEYOND = 16.0
"""Defocus, in levels, up to which patches of the last level are drawn."""
ALTERED = 0.38
"""Share of the slides whose pictures are resampled, processed or both."""
BLANK, BLANK_ALTERED = 0.1, 0.3
"""Share of blank slides, which show nothing, among those without and with altered pictures."""
VARIED = 0.26
"""Share of varied slides among those without altered pictures: see :func:`random_slide`."""
SHARP = 0.04
"""Additional share of level 0, which finely sampled specimens never have."""

Patches = Tuple[np.ndarray, np.ndarray]
"""Normalized patches, float16 (n, 84, 84), and the level of each, int (n,)."""
Draw = Callable[[np.random.Generator], Patches]
"""Draws the 24 patches of a slide."""


def sample(seed: Union[int, Sequence[int]], draw: Draw, count: int) -> Patches:
    """Draw patches for training.

    Depth, thickness, microscope, camera and processing vary more than is common.

    Parameters
    ----------
    seed : int or sequence of int
        The same seed gives the same patches.
    draw : callable
        Result of :func:`drawing_from`, or :meth:`focusqual.training.bank.Bank.draw`.
    count : int
        Number of slides to draw; each gives 24 patches.

    Returns
    -------
    patches : ndarray of float16, (24 count, 84, 84)
    levels : ndarray of int, (24 count,)
        0 to 10.
    """
    rng = np.random.default_rng(seed)
    patches, levels = zip(*(draw(rng) for _ in range(count)))
    return np.concatenate(patches), np.concatenate(levels)


def sample_plain(seed: Union[int, Sequence[int]], sources: Sources, count: int) -> Patches:
    """Draw patches for calibration and validation: see :func:`sample`.

    Levels are exact; optics are the standard ones, and the camera is ordinary.
    """
    return sample(seed, functools.partial(_plain, sources=sources), count)


def _plain(rng: np.random.Generator, sources: Sources) -> Patches:
    if rng.uniform() < (1 - ALTERED) * BLANK + ALTERED * BLANK_ALTERED:
        brightness = rng.uniform(0, 0.3)
        blank = np.full((SIDE, SIDE), brightness, dtype=np.float32)
        return _cut([(_any_level(rng), photograph(rng, blank)) for _ in range(DEPTHS_PER_SLIDE)])
    specimen = replace(random_specimen(rng, sources), photographed=True)
    slide = Slide(specimen, Microscope(), thick=False)
    pictures = []
    for _ in range(DEPTHS_PER_SLIDE):
        level, _ = random_depth(rng, slide.resolution)
        light = slide.light(rng, level)
        pictures.append((level, photograph(rng, _background(rng, slide, light))))
    return _cut(pictures)


def drawing_from(sources: Sources) -> Draw:
    """Return a function that draws the patches of slides of the sources."""
    altered = functools.partial(altered_patches, sources=sources)
    slide = functools.partial(unaltered_slide, sources=sources)
    return functools.partial(draw_patches, altered=altered, slide=slide)


def draw_patches(
    rng: np.random.Generator, altered: Draw, slide: Callable[[np.random.Generator], Light]
) -> Patches:
    """Draw the patches of one slide.

    Parameters
    ----------
    rng : numpy.random.Generator
    altered : callable
        Draws the patches of a slide with altered pictures: :func:`altered_patches`.
    slide : callable
        Draws a slide for pictures that are not altered: :func:`unaltered_slide`.

    Returns
    -------
    Patches
    """
    if rng.uniform() < ALTERED:
        return altered(rng)
    if rng.uniform() < BLANK:
        return _cut([(_any_level(rng), _blank(rng)) for _ in range(DEPTHS_PER_SLIDE)])
    seen = slide(rng)
    pictures = []
    for _ in range(DEPTHS_PER_SLIDE):
        level, depth = random_depth(rng, seen.resolution)
        pictures.append((level, expose(rng, _background(rng, seen, seen.light(rng, depth)))))
    return _cut(pictures)


def unaltered_slide(rng: np.random.Generator, sources: Sources) -> Slide:
    """Draw a slide for pictures that are not altered."""
    return random_slide(rng, sources, varied=rng.uniform() < VARIED)


def altered_patches(rng: np.random.Generator, sources: Sources) -> Patches:
    """Draw the patches of a varied or blank slide, whose pictures are resampled and processed."""
    if rng.uniform() < BLANK_ALTERED:
        return _cut([(_any_level(rng), _altered_blank(rng)) for _ in range(DEPTHS_PER_SLIDE)])
    slide = random_slide(rng, sources, varied=True)
    return _cut([_altered(rng, slide) for _ in range(DEPTHS_PER_SLIDE)])


def random_depth(rng: np.random.Generator, resolution: float) -> Tuple[int, float]:
    """Draw a level and a defocus, in levels, at which a specimen has it.

    The last level is often far exceeded. The first one is that of the specimen in focus.

    Parameters
    ----------
    rng : numpy.random.Generator
    resolution : float
        Resolution in focus: see :func:`focusqual.simulation.microscopes.focus_level`.
    """
    sharpest = round(focus_level(resolution))
    level = int(rng.integers(sharpest, LEVELS))
    if sharpest == 0 and rng.uniform() < SHARP:
        level = 0
    if level == LEVELS - 1 and rng.uniform() < 0.35:
        return level, rng.uniform(level, BEYOND)
    if 0 < level == sharpest:
        return level, rng.uniform(0, level)
    return level, max(level + rng.uniform(-0.15, 0.15), 0)


def expose(rng: np.random.Generator, light: np.ndarray) -> np.ndarray:
    """Photograph light, in which bright structures are about 1, with a random camera.

    Parameters
    ----------
    rng : numpy.random.Generator
    light : ndarray of float32, (height, width)

    Returns
    -------
    ndarray of uint8 or uint16, (height, width)
    """
    peak = _log_uniform(rng, 15, 6000)
    photons = light * np.float32(peak)
    background = (0.0, rng.uniform(0, 0.1), rng.uniform(0, 0.5))[rng.integers(3)]
    if background:
        photons += np.float32(peak * background) * _slope(rng, light.shape)
    if rng.uniform() < 0.92:  # denoised, averaged or generated images have no grain
        photons = add_noise_quickly(photons, rng, (0.0, rng.uniform(0, 5))[rng.integers(2)])
    bits = (8, 12, 16)[rng.integers(3)]
    full = 2**bits - 1
    photons *= np.float32(_log_uniform(rng, 0.06, 1.4) * full / peak)
    photons += np.float32(rng.uniform(0, 0.1) * full)
    return digitize(photons, bits)


def _slope(rng: np.random.Generator, shape: Tuple[int, ...]) -> np.ndarray:
    """Return an even or sloping illumination, float32 with mean 1."""
    down, right = rng.uniform(-1, 1, 2) * rng.choice([0, 0.5])
    rows, cols = (np.linspace(-0.5, 0.5, length, dtype=np.float32) for length in shape)
    return (1 + np.float32(down) * rows)[:, None] + np.float32(right) * cols


def _blank(rng: np.random.Generator, frames: int = 1) -> np.ndarray:
    """Photograph an empty field with any number of photons, (168 frames, 168)."""
    light = np.full((frames * SIDE, SIDE), _log_uniform(rng, 0.01, 1), dtype=np.float32)
    return expose(rng, light)


def _altered_blank(rng: np.random.Generator) -> np.ndarray:
    """Return a picture of an empty field that is combined from several frames, denoised, or both.

    Nothing can be lost in it, so methods and strengths of denoising are any.
    """
    frames = int(rng.choice([1, 3, 5, 9], p=[0.7, 0.1, 0.1, 0.1]))
    combine = (np.median, np.mean, np.max, np.min)[rng.integers(4)]
    stack = _blank(rng, frames).reshape(frames, SIDE, SIDE)
    picture = _scaled(combine(stack, axis=0))
    if rng.uniform() < 0.3:
        picture = resample(rng, picture, _random_factor(rng))
    if rng.uniform() < 0.8:
        picture = denoise(rng, picture, ANY)
    return process(rng, picture) if rng.uniform() < 0.5 else picture


def _altered(rng: np.random.Generator, slide: Slide) -> Tuple[int, np.ndarray]:
    """Return a resampled or processed picture, float32 (168, 168), after its level.

    Resampling changes the size of everything, so the defocus is that which becomes the wanted one.
    """
    resampled = rng.uniform() < 0.45
    factor = _random_factor(rng) if resampled else 1.0
    level, depth = random_depth(rng, factor * slide.resolution)
    factor = max(factor, depth / BEYOND)
    light = slide.light(rng, depth / factor)
    picture = _scaled(expose(rng, _background(rng, slide, light)))
    if resampled:
        picture = resample(rng, picture, factor)
    if not resampled or rng.uniform() < 0.5:
        picture = process(rng, picture)
    return level, picture


def _random_factor(rng: np.random.Generator) -> float:
    return (0.5, 2.0, _log_uniform(rng, 0.5, 2))[rng.integers(3)]


def _scaled(picture: np.ndarray) -> np.ndarray:
    """Scale the gray levels of a picture, so that nearly all are from 0 to 1; float32."""
    picture = picture.astype(np.float32)
    return picture / np.float32(np.percentile(picture, 99.9) + 1)


def _background(rng: np.random.Generator, slide: Light, light: np.ndarray) -> np.ndarray:
    """Add a bright background if the specimen is seen in transmitted light."""
    if not slide.transmitted:
        return light
    return np.maximum(1 + light * np.float32(rng.uniform(0.2, 1) / max(1, np.abs(light).max())), 0)


def _any_level(rng: np.random.Generator) -> int:
    """Draw the level of a blank picture, which has none: all are equally probable."""
    return int(rng.integers(LEVELS))


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def _cut(pictures: List[Tuple[int, np.ndarray]]) -> Patches:
    """Cut pictures, (168, 168) after their levels, into four normalized patches each."""
    quartered = np.stack([picture for _, picture in pictures]).astype(np.float32)
    quartered = quartered.reshape(-1, 2, PATCH_SIZE, 2, PATCH_SIZE).swapaxes(2, 3)
    patches = normalize(quartered.reshape(-1, PATCH_SIZE, PATCH_SIZE)).astype(np.float16)
    return patches, np.repeat([level for level, _ in pictures], 4)
