"""Simulated artifacts of dark-field images, drawn on crops and their masks.

Eyepieces, figures and camera software add margins, round fields, scale bars, text, arrows and
frames; mosaics have seams, cameras dust, microscopes uneven light and particles far out of focus.

Every drawing takes an image (uint8, (height, width, 3), RGB), its mask (uint8, (height, width),
class indices) and a generator, and returns both anew. In the mask whatever covers the picture is
background.
"""

import functools
from typing import Any, Callable, Sequence, Tuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from scipy.ndimage import zoom

from segment.classes import BACKGROUND
from segment.inference.scaling import resize

Pair = Tuple[np.ndarray, np.ndarray]
Drawing = Callable[[np.ndarray, np.ndarray, np.random.Generator], Pair]

DISTURBED_SHARE = 0.25
"""Share of the crops that :func:`disturb` changes."""
INKS = ((255, 255, 255), (0, 0, 0), (255, 255, 0), (255, 0, 0), (0, 255, 0), (0, 255, 255))
INK_SHARES = (0.62, 0.1, 0.1, 0.08, 0.05, 0.05)
"""Colors of what is burnt in, and how often each is used."""
LENGTHS = (1, 2, 5, 10, 20, 50, 100, 200)
UNITS = ("um", "nm", "mm", "microns", "px")
WORDS = (
    "RBC",
    "WBC",
    "Borrelia",
    "x1000",
    "40X",
    "DF",
    "control",
    "Fig. 2",
    "t = 0",
    "Ch1",
    "No 7",
)
LETTERS = "ABCDEFGHabcdefghi123456*"


def disturb(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Pair:
    """Draw a random mixture of disturbances on a quarter of the crops.

    Parameters
    ----------
    image : ndarray of uint8, (height, width, 3)
        RGB.
    mask : ndarray of uint8, (height, width)
        Class indices.
    rng : numpy.random.Generator

    Returns
    -------
    image, mask : ndarray of uint8
        The arguments themselves if nothing is drawn.
    """
    if rng.uniform() >= DISTURBED_SHARE:
        return image, mask
    for drawing, probability in DISTURBANCES:
        if rng.uniform() < probability:
            image, mask = drawing(image, mask, rng)
    return image, mask


def blank_field(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Pair:
    """Replace the picture by its background color with a gradient and noise."""
    color = np.median(image[::8, ::8], axis=(0, 1)) * np.exp(rng.normal(0, 0.6))
    light = _uneven(rng, mask.shape, 0.3)[..., None] * color
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    return _digitized(light + rng.uniform(0.3, 5) * noise), np.full_like(mask, BACKGROUND)


def distant_discs(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Pair:
    """Add the light of one to three particles far out of focus: large soft discs and halos."""
    light = np.zeros(mask.shape, dtype=np.float32)
    side = min(mask.shape)
    for _ in range(rng.integers(1, 4)):
        radius = side * rng.uniform(0.15, 0.6)
        distance = _ellipse(rng, mask.shape, rng.uniform(-0.1, 1.1, 2) * mask.shape) / radius
        soft = rng.uniform(0.14, 0.3)
        disc = rng.uniform(0, 0.5) / (1 + np.exp(np.clip((distance - 1) / (0.4 * soft), -20, 20)))
        halo = rng.uniform(0, 0.4) * np.exp(-np.abs(distance - 1) / 0.5)
        rim = np.exp(-(((distance - 1) / soft) ** 2))
        ripple = 1 + rng.uniform(0, 0.4) * np.cos(distance * rng.uniform(8, 25))
        light += rng.uniform(10, 100) * (disc + halo + rim) * ripple
    color = np.array([0.8, 0.95, 1.0]) * np.exp(rng.normal(0, 0.15, 3))
    return _digitized(image + light[..., None] * color.astype(np.float32)), mask.copy()


def dust(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Pair:
    """Draw soft dark or bright spots and rings, as dust on the camera does."""
    changed, side = image.copy(), min(mask.shape)
    for _ in range(rng.integers(1, 12)):
        radius = side * rng.uniform(0.006, 0.05)
        y, x = (rng.uniform(0, 1, 2) * mask.shape).astype(int)
        reach = int(2.5 * radius) + 2
        rows, cols = slice(max(y - reach, 0), y + reach), slice(max(x - reach, 0), x + reach)
        window = changed[rows, cols]
        dy, dx = np.ogrid[: window.shape[0], : window.shape[1]]
        distance = np.hypot(dy - (y - rows.start), dx - (x - cols.start)) / radius
        ring = rng.uniform(0.5, 1) if rng.uniform() < 0.4 else 0
        spot = np.exp(-(((distance - ring) / (0.8 if not ring else 0.3)) ** 2))[..., None]
        if rng.uniform() < 0.5:
            window[:] = _digitized(window * (1 - rng.uniform(0.1, 0.6) * spot))
        else:
            window[:] = _digitized(window + rng.uniform(4, 30) * spot)
    return changed, mask.copy()


def seam(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Pair:
    """Change the brightness, and mostly the position, beyond a straight line, as mosaics do."""
    if rng.uniform() < 0.5:
        turned = seam(image.swapaxes(0, 1), mask.T, rng)
        return np.ascontiguousarray(turned[0].swapaxes(0, 1)), np.ascontiguousarray(turned[1].T)
    at = int(rng.uniform(0.1, 0.9) * mask.shape[0])
    columns = np.arange(mask.shape[1]) + rng.integers(-6, 7)
    columns = np.abs(columns)
    columns = np.minimum(columns, 2 * (mask.shape[1] - 1) - columns)  # reflected at the border
    image, mask = image.copy(), mask.copy()
    beyond = image[at:, columns] * np.exp(rng.normal(0, 0.2)) + rng.normal(0, 5)
    image[at:], mask[at:] = _digitized(beyond), mask[at:, columns]
    return image, mask


def uneven_illumination(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Pair:
    """Multiply by a smooth field, or by a vignette about a center near that of the crop."""
    if rng.uniform() < 0.5:
        gain = _uneven(rng, mask.shape, 0.45)
    else:
        center = rng.uniform(0, 1, 2) * mask.shape
        distance = _distance(mask.shape, center) / max(mask.shape)
        gain = 1 - rng.uniform(0.2, 0.7) * np.clip(distance * rng.uniform(0.7, 1.3), 0, 1) ** 2
    return _digitized(image * gain[..., None].astype(np.float32)), mask.copy()


def color_cast(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Pair:
    """Multiply each color by its own factor."""
    levels = np.arange(256)[:, None] * np.exp(rng.normal(0, 0.25, 3))
    return _mapped(image, levels), mask.copy()


def bright_background(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Pair:
    """Add light everywhere, gray or colored."""
    added = rng.uniform(5, 80) * np.exp(rng.normal(0, rng.choice([0, 0.3]), 3))
    return _mapped(image, added + np.arange(256)[:, None] * (1 - added / 255)), mask.copy()


def sharpening(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Pair:
    """Sharpen with an unsharp mask."""
    radius, percent = rng.uniform(0.7, 3), int(rng.uniform(40, 250))
    sharp = Image.fromarray(image).filter(ImageFilter.UnsharpMask(radius, percent, 0))
    return np.array(sharp), mask.copy()


def margins_or_field(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Pair:
    """Draw margins, a round field of view or an octagonal one."""
    drawing = (margins, round_field, octagonal_field)[rng.choice(3, p=[0.5, 0.35, 0.15])]
    return drawing(image, mask, rng)


def margins(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Pair:
    """Paint one to four sides in exactly one gray."""
    gray = rng.choice([0, 255, rng.integers(256)], p=[0.5, 0.35, 0.15])
    share = np.exp(rng.uniform(np.log(0.006), np.log(0.35)))
    outside = np.zeros(mask.shape, dtype=bool)
    for side in rng.choice(4, rng.choice([1, 2, 4], p=[0.4, 0.4, 0.2]), replace=False):
        strip = np.rot90(outside, side)  # a view
        strip[: int(share * len(strip)) + 1] = True
    return _covered(image, mask, outside, gray)


def round_field(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Pair:
    """Paint everything outside a circle; most crops show a part of its edge."""
    center, radius = _field(rng, mask.shape)
    return _inside_field(rng, image, mask, radius - _distance(mask.shape, center))


def octagonal_field(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Pair:
    """Paint everything outside a regular octagon; most crops show a part of its edge."""
    center, radius = _field(rng, mask.shape)
    dy, dx = _offsets(mask.shape, center)
    distance = np.maximum(np.maximum(np.abs(dy), np.abs(dx)), (np.abs(dy) + np.abs(dx)) / 2**0.5)
    return _inside_field(rng, image, mask, radius - distance)


def scale_bar(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Pair:
    """Burn in a scale bar, mostly with its length and sometimes in a box, near a corner."""
    height, width = mask.shape
    length, thick = int(width * rng.uniform(0.08, 0.5)), int(height * rng.uniform(0.004, 0.03)) + 1
    text = f"{rng.choice(LENGTHS)}{rng.choice(['', ' '])}{rng.choice(UNITS)}"
    label = _text(rng, text, height * rng.uniform(0.025, 0.1)) if rng.uniform() < 0.8 else None
    gap, (wide, high) = int(rng.integers(1, 8)), label.size if label else (0, 0)
    stencil = Image.new("L", (max(length, wide), thick + gap + high))
    draw, above = ImageDraw.Draw(stencil), rng.uniform() < 0.5
    left, top = (stencil.width - length) // 2, high + gap if above else 0
    draw.rectangle((left, top, left + length - 1, top + thick - 1), fill=255)
    if rng.uniform() < 0.25:
        for x in (left, left + length - 1):
            draw.line((x, top - thick, x, top + 2 * thick), fill=255, width=max(thick // 2, 1))
    if label:
        stencil.paste(label, ((stencil.width - wide) // 2, 0 if above else thick + gap))
    return _stamped(rng, image, mask, stencil, _corner(rng, mask.shape, stencil.size))


def label(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Pair:
    """Burn in one to four letters or words anywhere."""
    for _ in range(rng.integers(1, 5)):
        text = rng.choice(WORDS) if rng.uniform() < 0.4 else rng.choice(list(LETTERS))
        text = f"({text})" if rng.uniform() < 0.15 else str(text)
        stencil = _text(rng, text, min(mask.shape) * rng.uniform(0.03, 0.14))
        at = rng.uniform(-0.05, 0.95, 2) * mask.shape
        image, mask = _stamped(rng, image, mask, stencil, (int(at[1]), int(at[0])))
    return image, mask


def time_stamp(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Pair:
    """Burn in a date, a time or both near a corner."""
    year, month, day = rng.integers((1998, 1, 1), (2030, 13, 29))
    hour, minute, second = rng.integers(0, (24, 60, 60))
    date = (f"{year}-{month:02}-{day:02}", f"{day:02}/{month:02}/{year}")[rng.integers(2)]
    time = (f"{hour:02}:{minute:02}:{second:02}", f"{hour:02}:{minute:02}")[rng.integers(2)]
    text = (date, time, f"{date} {time}", f"{second}.{minute:02} s")[rng.integers(4)]
    stencil = _text(rng, text, min(mask.shape) * rng.uniform(0.025, 0.07))
    return _stamped(rng, image, mask, stencil, _corner(rng, mask.shape, stencil.size))


def arrows(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Pair:
    """Burn in one to four arrows or arrow heads of one color."""
    stencil = Image.new("L", _size(mask))
    draw, side = ImageDraw.Draw(stencil), min(mask.shape)
    head, length = side * rng.uniform(0.015, 0.06), side * rng.choice([0, rng.uniform(0.05, 0.25)])
    width = max(int(head * rng.uniform(0.15, 0.5)), 1)
    for _ in range(rng.integers(1, 5)):
        y, x = rng.uniform(0, 1, 2) * mask.shape
        angle = rng.uniform(0, 2 * np.pi)
        along = np.array([np.cos(angle), np.sin(angle)])
        across = np.array([-along[1], along[0]]) * head * rng.uniform(0.3, 0.6)
        tip, base = np.array([x, y]), np.array([x, y]) - head * along
        draw.polygon([tuple(tip), tuple(base + across), tuple(base - across)], fill=255)
        if length:
            draw.line([tuple(base), tuple(base - length * along)], fill=255, width=width)
    return _burnt(image, mask, stencil, _ink(rng))


def frames(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Pair:
    """Burn in outlines of one or two regions, rectangles or ellipses, full or dashed."""
    stencil = Image.new("L", _size(mask))
    draw, side = ImageDraw.Draw(stencil), min(mask.shape)
    width = int(side * rng.uniform(0.003, 0.015)) + 1
    for _ in range(rng.integers(1, 3)):
        top, left = rng.uniform(-0.1, 0.8, 2) * mask.shape
        box = (left, top, left + side * rng.uniform(0.1, 0.7), top + side * rng.uniform(0.1, 0.7))
        outline = draw.rectangle if rng.uniform() < 0.7 else draw.ellipse
        outline(box, outline=255, width=width)
    if rng.uniform() < 0.25:
        dash = int(rng.integers(4, 12))
        rows, cols = np.ogrid[: mask.shape[0], : mask.shape[1]]
        stencil = Image.fromarray(np.array(stencil) * ((rows + cols) % (2 * dash) < dash))
    return _burnt(image, mask, stencil, _ink(rng))


DISTURBANCES: Sequence[Tuple[Drawing, float]] = (
    (blank_field, 0.04),
    (seam, 0.1),
    (distant_discs, 0.15),
    (uneven_illumination, 0.15),
    (color_cast, 0.15),
    (bright_background, 0.15),
    (dust, 0.12),
    (sharpening, 0.12),
    (margins_or_field, 0.4),
    (scale_bar, 0.2),
    (label, 0.12),
    (time_stamp, 0.08),
    (arrows, 0.1),
    (frames, 0.08),
)
"""Drawings and their probabilities in a disturbed crop, from the light to the finished figure."""


def _digitized(light: np.ndarray) -> np.ndarray:
    """Return light as gray levels, saturated at 0 and 255."""
    return np.clip(light + 0.5, 0, 255).astype(np.uint8)


def _mapped(image: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Replace the 256 gray levels of each channel by those of a table, (256, 3)."""
    return _digitized(levels)[image, np.arange(3)]


def _uneven(rng: np.random.Generator, shape: Tuple[int, ...], spread: float) -> np.ndarray:
    """Return a smooth positive field about 1, float32."""
    coarse = zoom(rng.normal(0, spread, (3, 3)), 10, mode="mirror", grid_mode=True)
    return resize(np.exp(coarse).astype(np.float32), shape[:2])


def _offsets(shape: Tuple[int, ...], center: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """Return the rows and columns of all pixels relative to a point, broadcastable float32."""
    rows, cols = np.arange(shape[0], dtype=np.float32), np.arange(shape[1], dtype=np.float32)
    return (rows - np.float32(center[0]))[:, None], (cols - np.float32(center[1]))[None]


def _size(mask: np.ndarray) -> Tuple[int, int]:
    """Return the width and height of a mask."""
    return mask.shape[1], mask.shape[0]


def _distance(shape: Tuple[int, ...], center: np.ndarray) -> np.ndarray:
    """Return the distance of all pixels from a point, float32."""
    return np.hypot(*_offsets(shape, center))


def _ellipse(rng: np.random.Generator, shape: Tuple[int, ...], center: np.ndarray) -> np.ndarray:
    """Return the distance from a point, stretched a little in a random direction."""
    dy, dx = _offsets(shape, center)
    turn, stretch = rng.uniform(0, np.pi), np.exp(rng.normal(0, 0.07))
    u, v = dx * np.cos(turn) + dy * np.sin(turn), dy * np.cos(turn) - dx * np.sin(turn)
    return np.hypot(u * np.float32(stretch), v / np.float32(stretch))


def _covered(image: np.ndarray, mask: np.ndarray, outside: np.ndarray, gray: int) -> Pair:
    """Paint an area, which is background."""
    image, mask = image.copy(), mask.copy()
    image[outside], mask[outside] = gray, BACKGROUND
    return image, mask


def _field(rng: np.random.Generator, shape: Tuple[int, ...]) -> Tuple[np.ndarray, float]:
    """Return center and radius of a field whose edge lies near the middle of the crop's half."""
    side = min(shape)
    radius = side * np.exp(rng.uniform(np.log(0.45), np.log(2.5)))
    edge = side * rng.uniform(0.15, 0.65)
    angle = rng.uniform(0, 2 * np.pi)
    direction = np.array([np.sin(angle), np.cos(angle)])
    return np.array(shape) / 2 - direction * (radius - edge), radius


def _inside_field(
    rng: np.random.Generator, image: np.ndarray, mask: np.ndarray, depth: np.ndarray
) -> Pair:
    """Paint where the depth inside a field, in pixels, is negative; light fades at its edge."""
    gray = int(rng.choice([0, rng.integers(1, 12), 255], p=[0.7, 0.2, 0.1]))
    if gray < 255:
        fading = np.exp(rng.uniform(np.log(0.5), np.log(20)))
        inner = np.clip(depth / np.float32(fading), 0, 1)[..., None]
        image = _digitized(gray + (image - np.float32(gray)) * inner)
    image, mask = _covered(image, mask, depth < 0, gray)
    if rng.uniform() < 0.2:
        # The dark around the field of a photograph has the noise of the camera.
        noise = rng.normal(0, rng.uniform(0.5, 3), mask.shape)[..., None]
        image = np.where(depth[..., None] < 0, _digitized(gray + noise), image)
    return image, mask


def _ink(rng: np.random.Generator) -> Tuple[int, int, int]:
    return INKS[rng.choice(len(INKS), p=INK_SHARES)]


@functools.lru_cache(maxsize=None)
def _font() -> Any:
    return ImageFont.load_default()


def _text(rng: np.random.Generator, text: str, height: float) -> Image.Image:
    """Return a stencil of a text, at least six pixels high, in sharp or smooth letters."""
    canvas = Image.new("L", (16 * len(text) + 8, 24))
    ImageDraw.Draw(canvas).text((4, 4), text, font=_font(), fill=255)
    letters = canvas.crop(canvas.getbbox())
    scale = max(height, 6) / letters.height
    size = max(round(letters.width * scale), 1), max(round(letters.height * scale), 1)
    if rng.uniform() < 0.6:
        smooth = letters.resize(size, Image.Resampling.BILINEAR)
        return smooth.point(lambda level: min(2 * level, 255))
    return letters.resize(size, Image.Resampling.NEAREST)


def _corner(
    rng: np.random.Generator, shape: Tuple[int, ...], size: Tuple[int, int]
) -> Tuple[int, int]:
    """Return the left and top at which something lies near a corner, mostly a lower one."""
    margin = rng.uniform(-0.02, 0.12, 2) * (shape[1], shape[0])
    right, lower = rng.uniform() < 0.5, rng.uniform() < 0.75
    left = shape[1] - size[0] - margin[0] if right else margin[0]
    top = shape[0] - size[1] - margin[1] if lower else margin[1]
    return int(left), int(top)


def _stamped(
    rng: np.random.Generator,
    image: np.ndarray,
    mask: np.ndarray,
    stencil: Image.Image,
    at: Tuple[int, int],
) -> Pair:
    """Burn in a stencil at left and top, one time in seven on a box of black or white."""
    ink = _ink(rng)
    if rng.uniform() < 0.15:
        border = int(rng.integers(2, 8))
        box = Image.new("L", _size(mask))
        right, bottom = at[0] + stencil.width + border, at[1] + stencil.height + border
        ImageDraw.Draw(box).rectangle((at[0] - border, at[1] - border, right, bottom), fill=255)
        image, mask = _burnt(image, mask, box, (255,) * 3 if max(ink) == 0 else (0,) * 3)
    canvas = Image.new("L", _size(mask))
    canvas.paste(stencil, at)
    return _burnt(image, mask, canvas, ink)


def _burnt(image: np.ndarray, mask: np.ndarray, stencil: Image.Image, ink: Tuple[int, ...]) -> Pair:
    """Paint through a stencil of the crop's size, whose values are opacities of 0 to 255."""
    picture = Image.fromarray(image)
    picture.paste(ink, mask=stencil)
    mask = mask.copy()
    mask[np.asarray(stencil) > 63] = BACKGROUND
    return np.array(picture), mask
