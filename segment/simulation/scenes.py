"""Generated dark-field scenes with true masks, for a demo and tests without photographs.

Cells and filaments scatter light into a dark field: light adds up where they overlap, blooms, and
saturates in the camera. Lengths are shares of the image's longer side, as in photographs of
blood with spirochaetes: cells of 0.06 to 0.22, filaments of a 1 to 3 pixels wide core.
"""

from typing import List, NamedTuple, Sequence, Tuple

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter, zoom
from skimage.draw import line

from segment.classes import BLOOD_CELL, SPIROCHAETE
from segment.inference.scaling import resize

Circle = Tuple[float, float, float]
"""Row and column of the center, and radius, in pixels."""

MOST_CELLS = 80
"""In a scene."""
STROKE = 0.014
"""Width of a spirochaete in the mask, in longer sides: wider than its light, as people draw it."""


class Scene(NamedTuple):
    """An image and what is in it.

    Attributes
    ----------
    image : ndarray of uint8, (height, width, 3)
        RGB.
    classes : ndarray of uint8, (height, width)
        Class indices; where a cell and a spirochaete overlap, that of the cell.
    cells, spirochaetes : int
        How many were drawn.
    """

    image: np.ndarray
    classes: np.ndarray
    cells: int
    spirochaetes: int


class _Look(NamedTuple):
    """How cells of a kind scatter light, 1 being almost white.

    ``rim`` and ``inside`` are brightnesses, ``width`` that of the rim in radii; ``disc`` that of
    the ring around the cell's pale center; ``grains`` of folds and grains; ``spikes`` the height
    of those on the outline, in radii.
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
"""Of the looks over all scenes."""

INSIDE = np.array([0.12, 0.22, 1.0], dtype=np.float32)
HALO = np.array([0.3, 0.55, 1.0], dtype=np.float32)
FILAMENT = np.array([0.6, 0.95, 0.95], dtype=np.float32)
NIGHT = np.array([0.055, 0.07, 0.11], dtype=np.float32)
TINTS = np.array([[0.75, 1, 1.1], [0.7, 0.85, 1.25], [0.85, 1.05, 0.75], [1.1, 1, 0.95]])
"""Colors of the cells' light: cyan, blue, green, warm; a scene mixes two neighbors."""


def darkfield_scene(rng: np.random.Generator, shape: Tuple[int, int] = (480, 640)) -> Scene:
    """Draw blood cells, spirochaetes and debris.

    Parameters
    ----------
    rng : numpy.random.Generator
        Equal generators draw equal scenes.
    shape : tuple of int
        Height and width in pixels.

    Returns
    -------
    Scene
    """
    light = np.zeros((*shape, 3), dtype=np.float32)
    classes = np.zeros(shape, dtype=np.uint8)
    tint = _between(rng, TINTS)
    filaments = _filament_count(rng)
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
    """A color between one and the next."""
    place, share = rng.integers(len(colors) - 1), rng.uniform()
    return ((1 - share) * colors[place] + share * colors[place + 1]).astype(np.float32)


def _filament_count(rng: np.random.Generator) -> int:
    return int(rng.choice(6, p=[0.2, 0.35, 0.2, 0.13, 0.07, 0.05]))


def _looks(rng: np.random.Generator, count: int) -> List[_Look]:
    """Looks of the cells of a scene, in which one or two prevail."""
    shares = rng.dirichlet(2 * np.array(SHARES))
    return [LOOKS[index] for index in rng.choice(len(LOOKS), count, p=shares)]


def _place_cells(rng: np.random.Generator, shape: Tuple[int, int]) -> np.ndarray:
    """Centers and radii of cells of like size: alone, touching, overlapping, cut by the border."""
    mean = max(shape) * 0.0585 * np.exp(rng.normal(0, 0.38))
    area = rng.uniform() > 0.06 and 0.15 * np.exp(rng.normal(0, 0.55))
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
    """Add a cell's light, and its area to the classes."""
    rows, cols, depth, angle = _outline(rng, classes.shape, circle, look.spikes)
    radius = circle[2]
    width = max(look.width * radius, 0.9)
    # Sharper than the rim is wide: light outside of the mask is left to the optics.
    within = 1 / (1 + np.exp(-4 * np.clip(depth / max(0.04 * radius, 0.9), -8, 8)))
    uneven = 1 + rng.uniform(0, 0.5) * np.cos(angle - rng.uniform(0, 2 * np.pi))
    white = look.rim * uneven * np.exp(-(((depth - 0.8 * width) / width) ** 2))
    center = radius * rng.uniform(0.5, 0.7)
    white += look.disc * np.exp(-(((depth - center) / (0.12 * radius)) ** 2))
    if look.grains:
        white += look.grains * _grains(rng, depth.shape, radius * rng.uniform(0.04, 0.12))
    # Over-exposed cells are white all over; inside of others there is a blue haze.
    white += max(look.inside - 0.6, 0)
    haze = look.inside * rng.uniform(0.4, 1.6)
    within *= np.exp(rng.normal(0, 0.2))
    light[rows, cols] += within[..., None] * (white[..., None] * tint + haze * INSIDE)
    classes[rows, cols][depth > 0] = BLOOD_CELL


def _outline(
    rng: np.random.Generator, shape: Tuple[int, ...], circle: Circle, spikes: float
) -> Tuple[slice, slice, np.ndarray, np.ndarray]:
    """A window round a cell, the depth below the outline in pixels, and the polar angle."""
    y, x, radius = circle
    reach = 1.5 * radius + 6
    rows, cols = (
        slice(max(int(at - reach), 0), max(min(int(at + reach), length), 0))
        for at, length in zip((y, x), shape)
    )
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
    """Bright patches of irregular form, 0 to about 2, on half of the area."""
    field = gaussian_filter(rng.standard_normal(shape, dtype=np.float32), size)
    return np.clip(field / (field.std() + 1e-9), 0, None)


def _draw_filament(
    rng: np.random.Generator, light: np.ndarray, classes: np.ndarray, tint: np.ndarray
) -> None:
    """Add a spirochaete's light, and a brush stroke along it to the classes."""
    side = max(classes.shape)
    ys, xs = _filament_path(rng, classes.shape)
    inside = (ys >= 0) & (xs >= 0) & (ys < classes.shape[0]) & (xs < classes.shape[1])
    ys, xs = ys[inside].astype(int), xs[inside].astype(int)
    margin = int(0.03 * side)
    rows, cols = (slice(max(at.min() - margin, 0), at.max() + margin + 1) for at in (ys, xs))
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
    """Points less than a pixel apart along a wavy line that begins inside of the image."""
    side = max(shape)
    length = side * np.clip(0.2 * np.exp(rng.normal(0, 0.6)), 0.06, 0.9)
    along = np.arange(0, length, 0.4)
    # The direction wanders smoothly; the waves are those of the helix seen from the side.
    bends = rng.normal(0, 2.5, 4) * np.sqrt(length / side)
    turn = np.interp(along / length, np.linspace(0, 1, 5), np.cumsum([rng.uniform(0, 6.3), *bends]))
    swing = np.interp(along / length, np.linspace(0, 1, 4), rng.uniform(0, 0.8, 4))
    phase = 2 * np.pi * along / (side * rng.uniform(0.025, 0.08)) + rng.uniform(0, 6)
    turn = turn + swing * np.sin(phase + np.sin(phase / 2.7))
    start = rng.uniform(0.1, 0.9, 2) * shape
    return start[0] + 0.4 * np.cumsum(np.sin(turn)), start[1] + 0.4 * np.cumsum(np.cos(turn))


def _debris(rng: np.random.Generator, shape: Tuple[int, int], tint: np.ndarray) -> np.ndarray:
    """Light of specks, short rods, blobs out of focus and clumps of grains."""
    amount = np.exp(rng.normal(0, 0.9))
    light = _specks(rng, shape, 100 * amount, 0.0012 * max(shape))
    light += _specks(rng, shape, 30 * amount, 0.0025 * max(shape))
    coarse = [-(-length // 8) for length in shape]
    blobs = _specks(rng, coarse, 10 * amount, 0.02 * max(coarse))
    light += 0.1 * resize(blobs, shape)
    light += _rods(rng, shape, 3 * amount)[..., None] * FILAMENT
    if rng.uniform() < 0.25:
        light += _clump(rng, shape)[..., None] * FILAMENT
    return light * tint


def _specks(
    rng: np.random.Generator, shape: Sequence[int], mean_count: float, blur: float
) -> np.ndarray:
    """Round spots of random brightness, about 0.5, and hue."""
    light = np.zeros((*shape, 3), dtype=np.float32)
    count = rng.poisson(mean_count)
    at = rng.integers(0, shape, (count, 2)).T
    light[tuple(at)] = rng.lognormal(-0.4, 0.8, (count, 1)) * rng.uniform(0.6, 1.1, (count, 3))
    return 2 * np.pi * blur**2 * gaussian_filter(light, (blur, blur, 0))


def _rods(rng: np.random.Generator, shape: Tuple[int, int], mean_count: float) -> np.ndarray:
    """Straight bacteria-like lines, up to 0.03 long."""
    light, side = np.zeros(shape, dtype=np.float32), max(shape)
    for y, x in rng.uniform(0, shape, (rng.poisson(mean_count), 2)):
        length, angle = side * rng.uniform(0.008, 0.03), rng.uniform(0, np.pi)
        ends = y, x, y + length * np.sin(angle), x + length * np.cos(angle)
        rows, cols = line(*np.rint(ends).astype(int))
        inside = (rows >= 0) & (rows < shape[0]) & (cols >= 0) & (cols < shape[1])
        light[rows[inside], cols[inside]] = rng.uniform(0.5, 2)
    return gaussian_filter(light, 0.0013 * side)


def _clump(rng: np.random.Generator, shape: Tuple[int, int]) -> np.ndarray:
    """A loose heap of bright grains."""
    y, x = rng.uniform(0.1, 0.9, 2) * shape
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    size = max(shape) * rng.uniform(0.015, 0.05)
    heap = np.exp(-(np.hypot(rows - y, cols - x) ** 2) / (2 * size**2)).astype(np.float32)
    return rng.uniform(0.5, 2) * heap * _grains(rng, shape, 0.003 * max(shape))


def _bloom(rng: np.random.Generator, light: np.ndarray) -> np.ndarray:
    """Blur of the optics, wider in blue, and light that strays far from what is bright."""
    side = max(light.shape)
    blur = side * (rng.uniform(0.001, 0.002) + np.array([0, 0.0003, 0.0006]))
    sharp = np.stack([gaussian_filter(light[..., c], blur[c]) for c in range(3)], axis=2)
    coarse = sharp[::4, ::4].mean(axis=2)
    near, far = (
        resize(gaussian_filter(coarse, side * width / 4), light.shape[:2])
        for width in (0.008, 0.04)
    )
    return sharp + (0.25 * near + 0.2 * far)[..., None] * HALO


def _background(rng: np.random.Generator, shape: Tuple[int, int]) -> np.ndarray:
    """A dark, mostly bluish field, unevenly lit."""
    coarse = rng.uniform(0.6, 1.4, (3, 4)).astype(np.float32)
    uneven = zoom(coarse, np.divide(shape, coarse.shape), mode="mirror", grid_mode=True)
    color = NIGHT * np.exp(rng.normal(0, 0.25) + rng.normal(0, 0.2, 3))
    return uneven[..., None] * color.astype(np.float32)


def _photograph(rng: np.random.Generator, light: np.ndarray) -> np.ndarray:
    """What a camera makes of light: saturation, noise, colors slightly beside each other."""
    image = 255 * (1 - np.exp(-light))
    top, left = rng.integers(0, 3, 2)
    around = np.pad(image[..., 0], 1, mode="edge")
    image[..., 0] = around[top : top + image.shape[0], left : left + image.shape[1]]
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    image += rng.uniform(0.5, 2.5) * noise * (1 + image / 128)
    return np.rint(np.clip(image, 0, 255)).astype(np.uint8)
