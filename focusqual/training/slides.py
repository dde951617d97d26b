"""Draw slides: specimens under simulated microscopes, and their light at every defocus."""

from dataclasses import dataclass
from typing import List, Sequence, Tuple

import numpy as np
from scipy import fft
from scipy.ndimage import affine_transform, gaussian_filter

from focusqual.inference.patches import PATCH_SIZE
from focusqual.levels import STANDARD_OPTICS
from focusqual.simulation.microscopes import FIELD, Microscope, random_microscope
from focusqual.simulation.scenes import random_scene

SIDE = 2 * PATCH_SIZE
"""Height and width of a picture in pixels: four patches."""
MARGIN = (FIELD - SIDE) // 2
"""Pixels cut off at each border after the blur, which wraps around."""
PHOTOGRAPHS = 0.6
"""Share of the specimens that are photographs; the others are generated."""

Sources = Sequence[Sequence[np.ndarray]]
"""In-focus images by source, float32 (height, width), cleaned by
:func:`focusqual.simulation.sources.clean`. A source is drawn with a probability proportional to
the square root of its number of images."""


@dataclass(frozen=True)
class Specimen:
    """A specimen under the microscope.

    Attributes
    ----------
    planes : list of ndarray of float32, (240, 240)
        Light of each plane. The first one determines the defocus level; others are farther away.
    photographed : bool
        True if the light is as sharp as a photograph in focus with the standard optics.
    transmitted : bool
        True if the specimen absorbs light of a bright background; False if it emits light.
    resolution : float
        Resolution that the light already has, in units of that of the standard optics: the factor
        by which a photograph was enlarged, and 0 for generated light.
    """

    planes: List[np.ndarray]
    photographed: bool = False
    transmitted: bool = False
    resolution: float = 0.0


class Light:
    """Light of a specimen under a microscope.

    Attributes
    ----------
    transmitted : bool
        See :class:`Specimen`.
    resolution : float
        Resolution in focus in pixels, in units of that of the standard optics.
    """

    transmitted: bool
    resolution: float

    def light(self, rng: np.random.Generator, depth: float) -> np.ndarray:
        """Return the light that reaches the camera at a depth in levels, float32 (168, 168)."""
        raise NotImplementedError


class Slide(Light):
    """A specimen under a microscope, whose light is computed.

    Parameters
    ----------
    specimen : Specimen
    microscope : Microscope
    thick : bool
        True if all planes of the specimen are seen; otherwise only the first one is.
    """

    def __init__(self, specimen: Specimen, microscope: Microscope, thick: bool) -> None:
        self.transmitted = specimen.transmitted
        resolution = microscope.resolution / STANDARD_OPTICS.resolution
        # A photograph in focus already has the blur of an optical system as good as its own.
        self._photographed = specimen.photographed and resolution <= 1
        self.resolution = float(
            np.hypot(specimen.resolution, 0 if self._photographed else resolution)
        )
        self._thick, self._microscope = thick, microscope
        planes = specimen.planes if thick else specimen.planes[:1]
        self._transforms = [fft.rfft2(plane, workers=1) for plane in planes]

    def light(self, rng: np.random.Generator, depth: float) -> np.ndarray:
        """See :meth:`Light.light`."""
        return self.field(rng, depth)[MARGIN:-MARGIN, MARGIN:-MARGIN]

    def field(self, rng: np.random.Generator, depth: float) -> np.ndarray:
        """Return the light of the whole field, float32 (240, 240), which wraps at its borders."""
        if not self._thick:
            return self._seen([depth])
        first = depth * rng.choice([-1, 1])
        farther = rng.uniform(0.5, 8, len(self._transforms) - 1) * rng.choice([-1, 1])
        # The other planes are beyond the first one, on its side or farther away on the other side.
        depths = [first, *(np.sign(first * farther) * abs(first) + farther)]
        light = self._seen(depths)
        if rng.uniform() < 0.05:  # maximum projection
            away = [d + np.sign(d) * rng.uniform(1, 4) for d in depths]
            light = np.maximum(light, self._seen(away))
        return light

    def _seen(self, depths: Sequence[float]) -> np.ndarray:
        """Return the light from the planes, each at its depth in levels."""
        total = np.zeros_like(self._transforms[0])
        for transform, depth in zip(self._transforms, depths):
            if not self._photographed or abs(depth) >= 0.05:
                transform = transform * self._microscope.transfer(depth)
            total = total + transform
        return fft.irfft2(total, (FIELD, FIELD), workers=1)


def random_slide(rng: np.random.Generator, sources: Sources, varied: bool) -> Slide:
    """Draw a slide.

    Parameters
    ----------
    rng : numpy.random.Generator
    sources : list of list of ndarray
    varied : bool
        False for thin specimens under the standard optics; True for more than is common.
    """
    specimen = random_specimen(rng, sources)
    if varied:
        return Slide(specimen, random_microscope(rng, specimen.transmitted), thick=True)
    return Slide(specimen, Microscope(), thick=False)


def random_specimen(rng: np.random.Generator, sources: Sources) -> Specimen:
    """Draw a specimen: a generated scene or part of an image of the sources."""
    resolution = 0.0
    photographed = bool(sources) and rng.uniform() < PHOTOGRAPHS
    if photographed:
        plane, resolution = _random_view(rng, _random_image(rng, sources))
    else:
        plane = random_scene(rng, FIELD)
        photographed = rng.uniform() < 0.5
    if rng.uniform() < 0.12:
        plane = plane * _window(rng)
    transmitted = bool(plane.min() < -0.05)
    if not transmitted and rng.uniform() < 0.15:
        plane, transmitted = -plane, True
    planes = [plane]
    for _ in range(rng.choice([0, 1, 2, 4], p=[0.65, 0.2, 0.08, 0.07])):
        planes.append(plane[::-1, ::-1] * np.float32(rng.uniform(0.2, 1.2)))
        plane = plane.T
    return Specimen(planes, photographed, transmitted, resolution)


def _random_image(rng: np.random.Generator, sources: Sources) -> np.ndarray:
    shares = np.sqrt([len(images) for images in sources])
    images = sources[rng.choice(len(sources), p=shares / shares.sum())]
    return images[rng.integers(len(images))]


def _random_view(rng: np.random.Generator, image: np.ndarray) -> Tuple[np.ndarray, float]:
    """Return a rotated, mirrored and rescaled part of an image, (240, 240), and its zoom."""
    zoom = np.exp(rng.uniform(np.log(0.4), np.log(2.2))) if rng.uniform() < 0.7 else 1.0
    if zoom < 1:
        image = gaussian_filter(image, 0.45 * (1 / zoom - 1))
    angle = rng.uniform(0, 2 * np.pi) if zoom != 1 else rng.integers(4) * np.pi / 2
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / zoom
    matrix[:, 0] *= rng.choice([-1, 1])
    # Prefer centers with structure, so that fewer patches are blank.
    candidates = rng.integers(image.shape, size=(4, 2))
    center = candidates[np.argmax(np.abs(image[tuple(candidates.T)]))]
    offset = center - matrix @ np.full(2, FIELD / 2)
    order = 3 if zoom > 1.3 else 1
    view = affine_transform(
        image, matrix, offset, (FIELD, FIELD), np.float32, order=order, mode="mirror"
    )
    if image.min() >= 0:
        view = np.maximum(view, 0)
    return view * np.float32(rng.uniform(0.5, 1.2)), float(zoom)


def _window(rng: np.random.Generator) -> np.ndarray:
    """Return a mask that is 1 in a round part of the field and falls to 0 outside."""
    rows, cols = np.ogrid[:FIELD, :FIELD]
    y, x = rng.uniform(MARGIN, FIELD - MARGIN, 2)
    outside = np.hypot(rows - y, cols - x) - rng.uniform(10, 60)
    return np.clip(1 - outside / 10, 0, 1).astype(np.float32)
