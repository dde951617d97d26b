"""Draw training patches: simulated photographs of specimens at known defocus levels.

Drawing a specimen and its light at a defocus is separate from photographing and processing it, so
that the light may also come from a :mod:`focusqual.training.bank`.
"""

import functools
from dataclasses import dataclass, replace
from typing import Callable, List, Sequence, Tuple, Union

import numpy as np
from scipy import fft
from scipy.ndimage import affine_transform, gaussian_filter

from focusqual.inference.normalization import normalize
from focusqual.inference.patches import PATCH_SIZE
from focusqual.levels import LEVELS
from focusqual.simulation.camera import add_noise, digitize, photograph
from focusqual.simulation.microscopes import FIELD, Microscope, random_microscope
from focusqual.simulation.processing import process, resample
from focusqual.simulation.scenes import random_scene

MARGIN = (FIELD - 2 * PATCH_SIZE) // 2
"""Pixels cut off at each border after the blur, which wraps around."""
DEPTHS_PER_SOURCE = 6
"""Number of times that each specimen is defocused: drawing a specimen takes the longest."""
BEYOND = 16.0
"""Defocus, in levels, up to which patches of the last level are drawn."""
BLANK = 0.18
"""Share of specimens that show nothing."""
ORDINARY = 0.5
"""Share of specimens that are thin, photographed with the standard optics and not processed."""

Sources = Sequence[Sequence[np.ndarray]]
"""In-focus images by source, float32 (height, width), cleaned by
:func:`focusqual.simulation.sources.clean`."""


@dataclass(frozen=True)
class Specimen:
    """A specimen under the microscope.

    Attributes
    ----------
    planes : list of ndarray of float32, (240, 240)
        Light of each plane. The first one determines the defocus level; others are farther away.
    photographed : bool
        True if the light comes from an in-focus photograph, which is not blurred again at level 0.
    transmitted : bool
        True if the specimen absorbs light of a bright background; False if it emits light.
    blank : bool
        True if the specimen shows nothing.
    """

    planes: List[np.ndarray]
    photographed: bool = False
    transmitted: bool = False
    blank: bool = False


class Slide:
    """A specimen under a microscope: a source of light at every defocus.

    Attributes
    ----------
    transmitted, blank : bool
        See :class:`Specimen`.
    varied : bool
        True if its pictures are also processed and resampled.
    """

    transmitted: bool
    blank: bool
    varied: bool

    def light(self, rng: np.random.Generator, depth: float) -> np.ndarray:
        """Return the light that reaches the camera at a depth in levels, float32 (168, 168)."""
        raise NotImplementedError


class DrawnSlide(Slide):
    """A drawn specimen, whose light is computed.

    Parameters
    ----------
    specimen : Specimen
    microscope : Microscope
    varied : bool
    """

    def __init__(self, specimen: Specimen, microscope: Microscope, varied: bool) -> None:
        self.transmitted, self.blank, self.varied = specimen.transmitted, specimen.blank, varied
        self._specimen, self._microscope = specimen, microscope
        self._transforms = [fft.rfft2(plane, workers=1) for plane in specimen.planes]

    def light(self, rng: np.random.Generator, depth: float) -> np.ndarray:
        """See :meth:`Slide.light`."""
        return self.field(rng, depth)[MARGIN:-MARGIN, MARGIN:-MARGIN]

    def field(self, rng: np.random.Generator, depth: float) -> np.ndarray:
        """Return the light of the whole field, float32 (240, 240), which wraps at its borders."""
        if not self.varied:
            return self._seen([depth])
        first = depth * rng.choice([-1, 1])
        farther = rng.uniform(0.5, 5, len(self._transforms) - 1) * rng.choice([-1, 1])
        # The other planes are beyond the first one, on its side or farther away on the other side.
        depths = [first, *(np.sign(first * farther) * abs(first) + farther)]
        light = self._seen(depths)
        if rng.uniform() < 0.05:  # maximum projection
            away = [d + np.sign(d) * rng.uniform(1, 4) for d in depths]
            light = np.maximum(light, self._seen(away))
        return light

    def _seen(self, depths: Sequence[float]) -> np.ndarray:
        """Return the light from the first planes, each at its depth in levels."""
        total = np.zeros_like(self._transforms[0])
        for transform, depth in zip(self._transforms, depths):
            # A photograph already has the blur of the focus.
            if not self._specimen.photographed or abs(depth) >= 0.05:
                transform = transform * self._microscope.transfer(depth)
            total = total + transform
        return fft.irfft2(total, (FIELD, FIELD), workers=1)


Draw = Callable[[np.random.Generator], Slide]
"""Draws a slide: :func:`random_slide` or :meth:`focusqual.training.bank.Bank.draw`."""


def sample(
    seed: Union[int, Sequence[int]], draw: Draw, count: int
) -> Tuple[np.ndarray, np.ndarray]:
    """Draw normalized patches and their levels for training.

    Depth, thickness, microscope, camera and processing vary more than is common.

    Parameters
    ----------
    seed : int or sequence of int
        The same seed gives the same patches.
    draw : callable
        Draws a slide with a generator.
    count : int
        Number of slides to draw; each gives 24 patches.

    Returns
    -------
    patches : ndarray of float16, (24 count, 84, 84)
    levels : ndarray of int, (24 count,)
        0 to 10.
    """

    def picture(rng: np.random.Generator, slide: Slide, level: int, depth: float) -> np.ndarray:
        if slide.varied:
            return _processed(rng, slide, depth)
        return expose(rng, _background(rng, slide, slide.light(rng, depth)))

    return _sample(seed, draw, count, picture)


def sample_plain(
    seed: Union[int, Sequence[int]], sources: Sources, count: int
) -> Tuple[np.ndarray, np.ndarray]:
    """Draw patches for calibration and validation: see :func:`sample`.

    Levels are exact; optics are the standard ones, and the camera is ordinary.
    """

    def draw(rng: np.random.Generator) -> Slide:
        specimen = random_specimen(rng, sources)
        return DrawnSlide(replace(specimen, photographed=True), Microscope(), varied=False)

    def picture(rng: np.random.Generator, slide: Slide, level: int, depth: float) -> np.ndarray:
        return photograph(rng, _background(rng, slide, slide.light(rng, level)))

    return _sample(seed, draw, count, picture)


def _sample(
    seed: Union[int, Sequence[int]], draw: Draw, count: int, picture: Callable[..., np.ndarray]
) -> Tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    patches, levels = [], []
    for _ in range(count):
        slide = draw(rng)
        for _ in range(DEPTHS_PER_SOURCE):
            level, depth = random_depth(rng)
            patches.append(_quarters(picture(rng, slide, level, depth)))
            levels += [level] * 4
    return normalize(np.concatenate(patches)).astype(np.float16), np.array(levels)


def drawing_from(sources: Sources) -> Draw:
    """Return a function that draws slides of the sources: see :func:`random_slide`."""
    return functools.partial(random_slide, sources=sources)


def random_depth(rng: np.random.Generator) -> Tuple[int, float]:
    """Draw a level and a defocus near it, in levels. The last level is often far exceeded."""
    level = int(rng.integers(LEVELS))
    if level == LEVELS - 1 and rng.uniform() < 0.35:
        return level, rng.uniform(level, BEYOND)
    return level, max(level + rng.uniform(-0.15, 0.15), 0)


def random_slide(rng: np.random.Generator, sources: Sources, blanks: bool = True) -> DrawnSlide:
    """Draw a specimen under a microscope.

    Parameters
    ----------
    rng : numpy.random.Generator
    sources : list of list of ndarray
        A source is drawn with a probability proportional to the square root of its number of
        images.
    blanks : bool
        False for specimens that show something.
    """
    specimen = random_specimen(rng, sources, blanks)
    if rng.uniform() < ORDINARY:
        return DrawnSlide(specimen, Microscope(), varied=specimen.blank)
    return DrawnSlide(specimen, random_microscope(rng, specimen.transmitted), varied=True)


def blank_specimen(rng: np.random.Generator) -> Specimen:
    """Draw a specimen that shows nothing."""
    nothing = np.full((FIELD, FIELD), rng.uniform(0, 0.3), dtype=np.float32)
    return Specimen([nothing], blank=True)


def random_specimen(rng: np.random.Generator, sources: Sources, blanks: bool = True) -> Specimen:
    """Draw a specimen: blank, a generated scene or part of an image of the sources."""
    kind = rng.uniform(0 if blanks else BLANK, 1)
    if kind < BLANK:
        return blank_specimen(rng)
    photographed = bool(sources) and kind > 0.5
    if photographed:
        plane = _random_view(rng, _random_image(rng, sources))
    else:
        plane = random_scene(rng, FIELD)
        photographed = rng.uniform() < 0.5
    if rng.uniform() < 0.12:
        plane = plane * _window(rng)
    transmitted = bool(plane.min() < -0.05)
    if not transmitted and rng.uniform() < 0.15:
        plane, transmitted = -plane, True
    planes = [plane]
    for _ in range(rng.choice([0, 1, 2], p=[0.7, 0.22, 0.08])):
        planes.append(plane[::-1, ::-1] * np.float32(rng.uniform(0.2, 1.2)))
        plane = plane.T
    return Specimen(planes, photographed, transmitted)


def expose(rng: np.random.Generator, light: np.ndarray) -> np.ndarray:
    """Photograph light, in which bright structures are about 1, with a random camera.

    The result, (height, width), is uint8 or uint16.
    """
    peak = np.exp(rng.uniform(np.log(15), np.log(6000)))
    slope = rng.uniform(-1, 1, 2) * rng.choice([0, 0.5])
    background = rng.choice([0, rng.uniform(0, 0.1), rng.uniform(0, 0.5)])
    rows, cols = np.ogrid[-0.5 : 0.5 : light.shape[0] * 1j, -0.5 : 0.5 : light.shape[1] * 1j]  # type: ignore[misc]
    photons = peak * (light + background * (1 + slope[0] * rows + slope[1] * cols))
    counted = photons  # denoised, averaged or generated images have no grain
    if rng.uniform() < 0.92:
        counted = add_noise(photons, rng, read_noise=rng.choice([0, rng.uniform(0, 5)]))
    bits = int(rng.choice([8, 12, 16]))
    full = 2**bits - 1
    used = np.exp(rng.uniform(np.log(0.06), np.log(1.4)))
    return digitize(counted / peak * used * full + rng.uniform(0, 0.1) * full, bits)


def _processed(rng: np.random.Generator, slide: Slide, depth: float) -> np.ndarray:
    """Return a resampled and processed photograph at a depth in levels, float32 (168, 168)."""
    factor = 1.0
    if rng.uniform() < 0.3:
        factor = float(rng.choice([0.5, 2, np.exp(rng.uniform(np.log(0.5), np.log(2)))]))
        factor = max(factor, depth / BEYOND)
    light = slide.light(rng, depth / factor)
    picture = expose(rng, _background(rng, slide, light)).astype(np.float32)
    picture /= np.percentile(picture, 99.9) + 1
    if slide.blank and rng.uniform() < 0.3:
        picture = gaussian_filter(picture, rng.uniform(0.5, 2.5))
    if factor != 1:
        picture = resample(rng, picture, factor)
    if rng.uniform() < (0.75 if slide.blank else 0.5):
        picture = process(rng, picture)
    return picture


def _background(rng: np.random.Generator, slide: Slide, light: np.ndarray) -> np.ndarray:
    """Add a bright background if the specimen is seen in transmitted light."""
    if not slide.transmitted:
        return light
    return np.maximum(1 + light * rng.uniform(0.2, 1) / max(1, np.abs(light).max()), 0)


def _random_image(rng: np.random.Generator, sources: Sources) -> np.ndarray:
    shares = np.sqrt([len(images) for images in sources])
    images = sources[rng.choice(len(sources), p=shares / shares.sum())]
    return images[rng.integers(len(images))]


def _random_view(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Return a rotated, mirrored and rescaled part of an image, (240, 240)."""
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
    return view * np.float32(rng.uniform(0.5, 1.2))


def _window(rng: np.random.Generator) -> np.ndarray:
    """Return a mask that is 1 in a round part of the field and falls to 0 outside."""
    rows, cols = np.ogrid[:FIELD, :FIELD]
    y, x = rng.uniform(MARGIN, FIELD - MARGIN, 2)
    outside = np.hypot(rows - y, cols - x) - rng.uniform(10, 60)
    return np.clip(1 - outside / 10, 0, 1).astype(np.float32)


def _quarters(picture: np.ndarray) -> np.ndarray:
    """Cut a picture into four patches, float32 (4, 84, 84)."""
    size = PATCH_SIZE
    return (
        picture.reshape(2, size, 2, size).swapaxes(1, 2).reshape(4, size, size).astype(np.float32)
    )
