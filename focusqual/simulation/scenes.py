"""Generated in-focus scenes, for structures and magnifications that are missing in photographs.

A scene is the light before the camera, float32 (size, size), 0 for none. Lengths are in pixels of
:data:`focusqual.levels.STANDARD_OPTICS`, a 20x objective, times ``zoom``, magnification / 20.
"""

from typing import List, Tuple, Union

import numpy as np
from scipy.ndimage import gaussian_filter


def random_scene(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw a scene of one to three kinds of structure; the brightest ones are about 1."""
    zoom = np.exp(rng.uniform(np.log(0.45), np.log(3.3)))
    several = rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1])
    kinds = rng.choice(len(KINDS), size=several, replace=False, p=SHARES)
    scene = np.zeros((size, size), dtype=np.float32)
    for kind in kinds:
        scene += rng.uniform(0.2, 1) * KINDS[kind](rng, size, zoom)
    # From undersampled to oversampled, and specimens that are smooth by themselves.
    blur = rng.uniform(0, 0.5) + rng.uniform(0, 0.2) * max(zoom - 1, 0)
    if rng.uniform() < 0.15:
        blur += rng.uniform(0.3, 1.2)
    return gaussian_filter(scene, blur)


def nuclei(rng: np.random.Generator, size: int, zoom: float) -> np.ndarray:
    """Draw elliptical nuclei: flat or domed, smooth or with chromatin and nucleoli."""
    texture_strength, dome = rng.uniform(0, 0.6), rng.uniform() < 0.2
    texture = noise_field(rng, size, rng.uniform(0.8, 3) * zoom)
    edge = rng.uniform(0.1, 0.6) * np.sqrt(zoom)
    scene = np.zeros((size, size), dtype=np.float32)
    for y, x, radius in _scatter(rng, size, zoom, radii=(5, 14), most=60):
        rows, cols, depth = _blob(rng, size, y, x, radius, wobble=rng.uniform(0, 0.12))
        body = _soft_step(depth / edge)
        if dome:
            body = body * np.sqrt(np.clip(depth / radius, 0.02, 1))
        scene[rows, cols] = np.maximum(scene[rows, cols], rng.uniform(0.3, 1) * body)
    return scene * np.clip(1 + texture_strength * texture, 0.1, None)


def cytoplasm(rng: np.random.Generator, size: int, zoom: float) -> np.ndarray:
    """Draw large textured cells, thinner towards the rim, with a dark or bright nucleus."""
    scene = np.zeros((size, size), dtype=np.float32)
    fine = noise_field(rng, size, rng.uniform(0.6, 2) * zoom)
    coarse = noise_field(rng, size, rng.uniform(3, 8) * zoom)
    edge, thinning = rng.uniform(0.2, 0.9) * np.sqrt(zoom), rng.uniform(0, 0.7)
    hole = rng.uniform(-0.9, 0.5)
    for y, x, radius in _scatter(rng, size, zoom, radii=(15, 40), most=25):
        rows, cols, depth = _blob(rng, size, y, x, radius, wobble=rng.uniform(0.1, 0.3))
        body = _soft_step(depth / edge) * np.clip(depth / radius, 0.05, 1) ** thinning
        body = body * (1 + hole * _soft_step((depth - 0.6 * radius) / edge))
        scene[rows, cols] = np.maximum(scene[rows, cols], rng.uniform(0.3, 1) * body)
    return scene * np.clip(1 + rng.uniform(0.1, 0.5) * fine + rng.uniform(0, 0.4) * coarse, 0, None)


def filaments(rng: np.random.Generator, size: int, zoom: float) -> np.ndarray:
    """Draw bent fibers such as actin or microtubules, single or in parallel bundles."""
    count = int(rng.integers(4, 120))
    length = rng.uniform(20, 160) * zoom
    along = np.linspace(-0.5, 0.5, int(2 * length) + 2)[:, None] * length
    main_angle, spread = rng.uniform(0, np.pi), rng.choice([0.1, 0.5, np.pi])
    angles = main_angle + rng.uniform(-spread, spread, count)
    bend = rng.normal(0, 0.006 / zoom, count)
    turn = angles + bend * along
    ys = rng.uniform(0, size, count) + along * np.sin(turn)
    xs = rng.uniform(0, size, count) + along * np.cos(turn)
    brightness = np.broadcast_to(rng.gamma(2, 0.5, count), ys.shape)
    width = rng.uniform(0.3, 0.9) * np.sqrt(zoom)
    scene = gaussian_filter(_splat(ys, xs, brightness, size), width)
    return _to_unit(scene) * _patchiness(rng, size, zoom)


def puncta(rng: np.random.Generator, size: int, zoom: float) -> np.ndarray:
    """Draw spots of a few pixels such as vesicles, scattered or clustered, on faint haze."""
    count = int(rng.integers(3, 500))
    scene = np.zeros((size, size), dtype=np.float32)
    for _ in range(rng.integers(1, 4)):
        ys, xs = rng.uniform(0, size, (2, count))
        if rng.uniform() < 0.6:
            centers = rng.uniform(0, size, (2, max(count // 40, 1)))
            member = rng.integers(0, centers.shape[1], count)
            ys, xs = centers[:, member] + rng.normal(0, 14 * zoom, (2, count))
        spots = _splat(ys, xs, rng.lognormal(0, 0.6, count), size)
        width = rng.uniform(0.4, 1.6) * zoom ** rng.uniform(0.2, 1)
        scene += gaussian_filter(spots, width) * width**2
    haze = rng.uniform(0, 0.15) * _patchiness(rng, size, zoom)
    return _to_unit(scene) + haze


def grains(rng: np.random.Generator, size: int, zoom: float) -> np.ndarray:
    """Draw a thresholded random field: edges of every shape, as in tissue."""
    scale = rng.uniform(2, 14) * zoom
    edge = rng.uniform(0.2, 0.8) * np.sqrt(zoom) / scale  # the field rises by about 1 in a scale
    scene = _soft_step((noise_field(rng, size, scale) - rng.uniform(-0.5, 1.5)) / edge)
    return scene * np.clip(1 + 0.3 * noise_field(rng, size, rng.uniform(0.7, 4) * zoom), 0, None)


KINDS = (nuclei, cytoplasm, filaments, puncta, grains)
SHARES = (0.2, 0.15, 0.2, 0.3, 0.15)
"""Probability of each kind. Small structures are frequent, because they are the hardest."""


def noise_field(rng: np.random.Generator, size: int, scale: float) -> np.ndarray:
    """Draw white noise smoothed by a Gaussian of ``scale`` pixels, mean 0 and deviation 1."""
    # Noise on a grid no finer than needed, and the Gaussian as a matrix for each axis.
    step = max(scale / 1.5, 1)
    nodes = np.arange(-4 * scale, size + 4 * scale, step, dtype=np.float32)
    distance = (np.arange(size, dtype=np.float32)[:, None] - nodes) / np.float32(scale)
    smooth = np.exp(-0.5 * distance**2)
    field = smooth @ rng.standard_normal((len(nodes), len(nodes)), dtype=np.float32) @ smooth.T
    return (field - field.mean()) / (field.std() + 1e-6)


def _scatter(
    rng: np.random.Generator, size: int, zoom: float, radii: Tuple[float, float], most: int
) -> List[Tuple[float, float, float]]:
    """Draw centers and radii of objects of similar size, also beyond the borders."""
    mean = rng.uniform(*radii) * zoom
    room = (size + 2 * mean) ** 2 / (4 * mean**2)
    count = int(np.clip(rng.uniform(0.05, 0.9) * room, 1, most))
    centers = rng.uniform(-mean, size + mean, (count, 2))
    sizes = mean * rng.uniform(0.75, 1.3, count)
    return [(y, x, radius) for (y, x), radius in zip(centers, sizes)]


def _blob(
    rng: np.random.Generator, size: int, y: float, x: float, radius: float, wobble: float
) -> Tuple[slice, slice, np.ndarray]:
    """Return the window of a wobbly ellipse and the depth inside its outline in pixels."""
    reach = int(1.7 * radius) + 4
    top, left = max(int(y) - reach, 0), max(int(x) - reach, 0)
    bottom, right = min(int(y) + reach, size), min(int(x) + reach, size)
    if bottom <= top or right <= left:
        return slice(0, 0), slice(0, 0), np.zeros((0, 0), dtype=np.float32)
    dy, dx = np.mgrid[top:bottom, left:right]
    dy, dx = dy - y, dx - x
    angle, stretch = rng.uniform(0, np.pi), rng.uniform(1, 1.35)
    u = (dx * np.cos(angle) + dy * np.sin(angle)) / stretch
    v = (dy * np.cos(angle) - dx * np.sin(angle)) * stretch
    theta = np.arctan2(v, u)
    phases, waves = rng.uniform(0, 2 * np.pi, 4), np.arange(2, 6)
    outline = 1 + wobble * np.cos(waves * theta[..., None] + phases).dot(1 / waves)
    depth = radius * outline - np.hypot(u, v)
    return slice(top, bottom), slice(left, right), depth.astype(np.float32)


def _soft_step(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(2.4 * x, -30, 30)))


def _splat(ys: np.ndarray, xs: np.ndarray, values: np.ndarray, size: int) -> np.ndarray:
    """Distribute points bilinearly to their four pixels."""
    ys, xs, values = ys.ravel(), xs.ravel(), np.ravel(values)
    top, left = np.floor(ys).astype(int), np.floor(xs).astype(int)
    fy, fx = ys - top, xs - left
    scene = np.zeros(size * size)
    for row, col, share in (
        (top, left, (1 - fy) * (1 - fx)),
        (top, left + 1, (1 - fy) * fx),
        (top + 1, left, fy * (1 - fx)),
        (top + 1, left + 1, fy * fx),
    ):
        inside = (row >= 0) & (row < size) & (col >= 0) & (col < size)
        scene += np.bincount(
            row[inside] * size + col[inside], (values * share)[inside], minlength=size * size
        )
    return scene.reshape(size, size).astype(np.float32)


def _patchiness(rng: np.random.Generator, size: int, zoom: float) -> Union[np.ndarray, np.float32]:
    """Draw where cells contain the structure, 0 to 1; everywhere in half of all scenes."""
    if rng.uniform() < 0.5:
        return np.float32(1)
    return _soft_step(2 * noise_field(rng, size, 15 * zoom))


def _to_unit(scene: np.ndarray) -> np.ndarray:
    return scene / (np.percentile(scene, 99.8) + scene.max() * 0.05 + 1e-9)
