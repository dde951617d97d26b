"""Synthetic dark-field scenes with true masks, for a demo and tests without photographs.

Cells and filaments scatter light into a dark field: their light adds up where they overlap, blooms,
and saturates in the camera. Sizes are those of photographs of blood with spirochaetes: the diameter
of a cell is 0.06 to 0.22 of the image's longer side, the bright core of a filament 1 to 3 pixels.
"""

import math
from typing import List, NamedTuple, Sequence, Tuple

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter, zoom
from skimage.draw import line

from segment.classes import BLOOD_CELL, SPIROCHAETE
from segment.inference.scaling import resize

Circle = Tuple[float, float, float]
"""Row and column of the center, and radius, in pixels."""

MOST_CELLS = 80
"""Maximum number of cells in a scene."""
STROKE = 0.014
"""Width of a spirochaete in the mask as a share of the longer side; people draw it too wide."""


class Scene(NamedTuple):
    """An image and its contents.

    Attributes
    ----------
    image : ndarray of uint8, (height, width, 3)
        RGB.
    classes : ndarray of uint8, (height, width)
        Class indices; a cell covers a spirochaete where they overlap.
    cells, spirochaetes : int
        Numbers of drawn objects.
    """

    image: np.ndarray
    classes: np.ndarray
    cells: int
    spirochaetes: int


class _Look(NamedTuple):
    """How a kind of cell scatters light.

    ``rim`` and ``inside`` are brightnesses, ``disc`` that of the ring around the pale center, and
    ``grains`` that of folds and grains; 1 is almost white. ``width`` is the width of the rim and
    ``spikes`` the height of the spikes on the outline, both in radii.
    """

    rim: float
    width: float
    inside: float
    disc: float = 0
    grains: float = 0
    spikes: float = 0


LOOKS = (
    _Look(rim=1.1, width=0.07, inside=0.15),
    _Look(rim=2.5, width=0.15, inside=0.5),
    _Look(rim=0.6, width=0.08, inside=0.15, disc=0.3),
    _Look(rim=1.4, width=0.1, inside=0.4, grains=1.0),
    _Look(rim=1.6, width=0.1, inside=0.4, grains=0.6, spikes=0.09),
    _Look(rim=4.0, width=0.3, inside=3.0),
    _Look(rim=0.2, width=0.08, inside=0.06),
)
"""Rings, thick rings, discs with a pale center, folded, spiky, over-exposed and ghost cells."""
SHARES = (0.3, 0.26, 0.07, 0.12, 0.1, 0.12, 0.03)
"""Share of each look over all scenes."""

INSIDE = np.array([0.12, 0.22, 1.0], dtype=np.float32)
HALO = np.array([0.3, 0.55, 1.0], dtype=np.float32)
FILAMENT = np.array([0.6, 0.95, 0.95], dtype=np.float32)
NIGHT = np.array([0.055, 0.07, 0.11], dtype=np.float32)
TINTS = np.array([[0.75, 1, 1.1], [0.7, 0.85, 1.25], [0.85, 1.05, 0.75], [1.1, 1, 0.95]])
"""Colors of the cells' light: cyan, blue, green and warm; a scene mixes two neighbors."""


def darkfield_scene(rng: np.random.Generator, shape: Tuple[int, int] = (480, 640)) -> Scene:
    """Draw blood cells, spirochaetes and debris.

    Parameters
    ----------
    rng : numpy.random.Generator
        Generators in equal states draw equal scenes.
    shape : tuple of int
        Height and width in pixels.
    """
    light = np.zeros((*shape, 3), dtype=np.float32)
    classes = np.zeros(shape, dtype=np.uint8)
    tint = _between(rng, TINTS)
    filaments = int(rng.choice(6, p=[0.2, 0.35, 0.2, 0.13, 0.07, 0.05]))
    for _ in range(filaments):
        _draw_filament(rng, light, classes, tint)
    cells = _place_cells(rng, shape)
    looks = _looks(rng, len(cells))
    exposure = np.exp(rng.normal(0.2, 0.45))
    for (y, x, radius), look in zip(cells, looks):
        _draw_cell(rng, light, classes, (y, x, radius), look, exposure * tint)
    light += _debris(rng, shape, tint)
    light = _bloom(rng, light) + _background(rng, shape)
    return Scene(_photograph(rng, light), classes, len(cells), filaments)


def _between(rng: np.random.Generator, colors: np.ndarray) -> np.ndarray:
    """Return a random color between two neighbors."""
    first, share = rng.integers(len(colors) - 1), rng.uniform()
    return ((1 - share) * colors[first] + share * colors[first + 1]).astype(np.float32)


def _looks(rng: np.random.Generator, count: int) -> List[_Look]:
    """Return the looks of the cells of a scene; one or two prevail."""
    shares = rng.dirichlet(2 * np.array(SHARES))
    return [LOOKS[index] for index in rng.choice(len(LOOKS), count, p=shares)]


def _place_cells(rng: np.random.Generator, shape: Tuple[int, int]) -> np.ndarray:
    """Return centers and radii of cells of similar size; some touch, overlap or are cut off."""
    mean = max(shape) * 0.0585 * np.exp(rng.normal(0, 0.38))
    area = 0.15 * np.exp(rng.normal(0, 0.55)) if rng.uniform() > 0.06 else 0
    wanted = np.clip(round(area * np.prod(shape) / (np.pi * mean**2)), 0, MOST_CELLS)
    crowding, closest = rng.uniform(0, 0.6), rng.uniform(0.6, 1)
    placed = np.empty((0, 3))
    for _ in range(4 * int(wanted)):
        radius = mean * np.clip(rng.normal(1, 0.1), 0.7, 1.4)
        if len(placed) and rng.uniform() < crowding:
            y, x, other = placed[rng.integers(len(placed))]
            angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(closest, 1.02) * (radius + other)
            center = np.array([y + reach * np.sin(angle), x + reach * np.cos(angle)])
        else:
            center = rng.uniform((-radius / 2, -radius / 2), np.add(shape, radius / 2))
        apart = np.hypot(*(placed[:, :2] - center).T) >= closest * (placed[:, 2] + radius)
        inside = (center > -radius / 2) & (center < np.add(shape, radius / 2))
        if apart.all() and inside.all():
            placed = np.vstack([placed, [*center, radius]])
        if len(placed) == wanted:
            break
    return placed


def _draw_cell(
    rng: np.random.Generator,
    light: np.ndarray,
    classes: np.ndarray,
    circle: Circle,
    look: _Look,
    tint: np.ndarray,
) -> None:
    """Add the light of a cell, and mark its area in the classes."""
    rows, cols, depth, angle = _outline(rng, classes.shape, circle, look.spikes)
    radius = circle[2]
    width = max(look.width * radius, 0.9)
    # The edge is sharper than the rim; the optics will spread light beyond the mask.
    within = 1 / (1 + np.exp(-4 * np.clip(depth / max(0.04 * radius, 0.9), -8, 8)))
    uneven = 1 + rng.uniform(0, 0.5) * np.cos(angle - rng.uniform(0, 2 * np.pi))
    white = look.rim * uneven * np.exp(-(((depth - 0.8 * width) / width) ** 2))
    center = radius * rng.uniform(0.5, 0.7)
    white += look.disc * np.exp(-(((depth - center) / (0.12 * radius)) ** 2))
    if look.grains:
        white += look.grains * _grains(rng, depth.shape, radius * rng.uniform(0.04, 0.12))
    # Over-exposed cells are white all over; others are filled with a blue haze.
    white += max(look.inside - 0.6, 0)
    haze = look.inside * rng.uniform(0.4, 1.6)
    within *= np.exp(rng.normal(0, 0.2))
    light[rows, cols] += within[..., None] * (white[..., None] * tint + haze * INSIDE)
    classes[rows, cols][depth > 0] = BLOOD_CELL


def _outline(
    rng: np.random.Generator, shape: Tuple[int, ...], circle: Circle, spikes: float
) -> Tuple[slice, slice, np.ndarray, np.ndarray]:
    """Return a window around a cell, the depth inside its outline in pixels, and polar angles."""
    y, x, radius = circle
    reach = 1.5 * radius + 6
    rows = slice(max(int(y - reach), 0), max(min(int(y + reach), shape[0]), 0))
    cols = slice(max(int(x - reach), 0), max(min(int(x + reach), shape[1]), 0))
    dy, dx = np.ogrid[rows, cols]
    dy, dx = dy - y, dx - x
    turn, stretch = rng.uniform(0, np.pi), 1 + min(rng.exponential(0.05), 0.3)
    u = (dx * np.cos(turn) + dy * np.sin(turn)) / stretch
    v = (dy * np.cos(turn) - dx * np.sin(turn)) * stretch
    angle = np.arctan2(v, u)
    edge = np.ones_like(angle)
    for waves, phase in zip((2, 3, 4, 5), rng.uniform(0, 2 * np.pi, 4)):
        edge += 0.04 / waves * np.cos(waves * angle + phase)
    if spikes:
        edge += spikes * np.abs(np.cos(rng.integers(5, 11) * angle + rng.uniform(0, 6))) ** 3
    return rows, cols, (radius * edge - np.hypot(u, v)).astype(np.float32), angle


def _grains(rng: np.random.Generator, shape: Tuple[int, ...], size: float) -> np.ndarray:
    """Return bright irregular spots, 0 to about 2, on half of the area."""
    field = gaussian_filter(rng.standard_normal(shape, dtype=np.float32), size)
    return np.clip(field / (field.std() + 1e-9), 0, None)


def _draw_filament(
    rng: np.random.Generator, light: np.ndarray, classes: np.ndarray, tint: np.ndarray
) -> None:
    """Add the light of a spirochaete, and mark a brush stroke along it in the classes."""
    side = max(classes.shape)
    ys, xs = _filament_path(rng, classes.shape)
    inside = (ys >= 0) & (xs >= 0) & (ys < classes.shape[0]) & (xs < classes.shape[1])
    ys, xs = ys[inside].astype(int), xs[inside].astype(int)
    margin = int(0.03 * side)
    rows = slice(max(ys.min() - margin, 0), ys.max() + margin + 1)
    cols = slice(max(xs.min() - margin, 0), xs.max() + margin + 1)
    path = np.ones(classes[rows, cols].shape, dtype=bool)
    path[ys - rows.start, xs - cols.start] = False
    distance, (near, _) = distance_transform_edt(path, return_indices=True)
    core = side * rng.uniform(0.0013, 0.003)
    beads = 1 + 0.2 * np.sin(near / (core * rng.uniform(1, 3)) + rng.uniform(0, 6))
    shine = beads * np.exp(-((distance / core) ** 2) / 2) + 0.15 * np.exp(-distance / (3 * core))
    color = FILAMENT * (0.5 + 0.5 * tint) * rng.uniform(0.5, 1.5)
    light[rows, cols] += shine[..., None].astype(np.float32) * color
    classes[rows, cols][distance <= STROKE * side / 2] = SPIROCHAETE


def _filament_path(
    rng: np.random.Generator, shape: Tuple[int, ...]
) -> Tuple[np.ndarray, np.ndarray]:
    """Return points less than a pixel apart along a wavy line that begins inside the image."""
    side = max(shape)
    length = side * np.clip(0.2 * np.exp(rng.normal(0, 0.6)), 0.06, 0.9)
    along = np.arange(0, length, 0.4)
    # The direction changes smoothly; the waves are a helix seen from the side.
    bends = rng.normal(0, 2.5, 4) * np.sqrt(length / side)
    turn = np.interp(along / length, np.linspace(0, 1, 5), np.cumsum([rng.uniform(0, 6.3), *bends]))
    swing = np.interp(along / length, np.linspace(0, 1, 4), rng.uniform(0, 0.8, 4))
    phase = 2 * np.pi * along / (side * rng.uniform(0.025, 0.08)) + rng.uniform(0, 6)
    turn = turn + swing * np.sin(phase + np.sin(phase / 2.7))
    start = rng.uniform(0.1, 0.9, 2) * shape
    return start[0] + 0.4 * np.cumsum(np.sin(turn)), start[1] + 0.4 * np.cumsum(np.cos(turn))


def _debris(rng: np.random.Generator, shape: Tuple[int, int], tint: np.ndarray) -> np.ndarray:
    """Return the light of specks, short rods, blobs out of focus and clumps of grains."""
    amount = np.exp(rng.normal(0, 0.9))
    light = _specks(rng, shape, 100 * amount, 0.0012 * max(shape))
    light += _specks(rng, shape, 30 * amount, 0.0025 * max(shape))
    coarse = [math.ceil(length / 8) for length in shape]
    blobs = _specks(rng, coarse, 10 * amount, 0.02 * max(coarse))
    light += 0.1 * resize(blobs, shape)
    light += _rods(rng, shape, 3 * amount)[..., None] * FILAMENT
    if rng.uniform() < 0.25:
        light += _clump(rng, shape)[..., None] * FILAMENT
    return light * tint


def _specks(
    rng: np.random.Generator, shape: Sequence[int], mean_count: float, blur: float
) -> np.ndarray:
    """Return round spots of random hue and brightness, about 0.5."""
    light = np.zeros((*shape, 3), dtype=np.float32)
    count = rng.poisson(mean_count)
    at = rng.integers(0, shape, (count, 2)).T
    light[tuple(at)] = rng.lognormal(-0.4, 0.8, (count, 1)) * rng.uniform(0.6, 1.1, (count, 3))
    return 2 * np.pi * blur**2 * gaussian_filter(light, (blur, blur, 0))


def _rods(rng: np.random.Generator, shape: Tuple[int, int], mean_count: float) -> np.ndarray:
    """Return straight lines like bacteria, up to 0.03 of the longer side long."""
    light, side = np.zeros(shape, dtype=np.float32), max(shape)
    for y, x in rng.uniform(0, shape, (rng.poisson(mean_count), 2)):
        length, angle = side * rng.uniform(0.008, 0.03), rng.uniform(0, np.pi)
        ends = y, x, y + length * np.sin(angle), x + length * np.cos(angle)
        rows, cols = line(*np.rint(ends).astype(int))
        inside = (rows >= 0) & (rows < shape[0]) & (cols >= 0) & (cols < shape[1])
        light[rows[inside], cols[inside]] = rng.uniform(0.5, 2)
    return gaussian_filter(light, 0.0013 * side)


def _clump(rng: np.random.Generator, shape: Tuple[int, int]) -> np.ndarray:
    """Return a loose clump of bright grains."""
    y, x = rng.uniform(0.1, 0.9, 2) * shape
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    size = max(shape) * rng.uniform(0.015, 0.05)
    heap = np.exp(-(np.hypot(rows - y, cols - x) ** 2) / (2 * size**2)).astype(np.float32)
    return rng.uniform(0.5, 2) * heap * _grains(rng, shape, 0.003 * max(shape))


def _bloom(rng: np.random.Generator, light: np.ndarray) -> np.ndarray:
    """Blur the light as the optics do, more in blue, and add stray light around bright objects."""
    side = max(light.shape)
    blur = side * (rng.uniform(0.001, 0.002) + np.array([0, 0.0003, 0.0006]))
    sharp = np.stack([gaussian_filter(light[..., c], blur[c]) for c in range(3)], axis=2)
    coarse = sharp[::4, ::4].mean(axis=2)
    near = resize(gaussian_filter(coarse, side * 0.008 / 4), light.shape[:2])
    far = resize(gaussian_filter(coarse, side * 0.04 / 4), light.shape[:2])
    return sharp + (0.25 * near + 0.2 * far)[..., None] * HALO


def _background(rng: np.random.Generator, shape: Tuple[int, int]) -> np.ndarray:
    """Return a dark, mostly bluish, unevenly lit field."""
    coarse = rng.uniform(0.6, 1.4, (3, 4)).astype(np.float32)
    uneven = zoom(coarse, np.divide(shape, coarse.shape), mode="mirror", grid_mode=True)
    color = NIGHT * np.exp(rng.normal(0, 0.25) + rng.normal(0, 0.2, 3))
    return uneven[..., None] * color.astype(np.float32)


def _photograph(rng: np.random.Generator, light: np.ndarray) -> np.ndarray:
    """Return the photograph of some light: saturated, noisy, and with a shifted red channel."""
    image = 255 * (1 - np.exp(-light))
    top, left = rng.integers(0, 3, 2)
    around = np.pad(image[..., 0], 1, mode="edge")
    image[..., 0] = around[top : top + image.shape[0], left : left + image.shape[1]]
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    image += rng.uniform(0.5, 2.5) * noise * (1 + image / 128)
    return np.rint(np.clip(image, 0, 255)).astype(np.uint8)
