"""Measure what ordinary changes to an image do to what is found in it.

    python benchmarks/darkfield_robustness.py --csv data.csv --split split.csv --output table.csv
    python benchmarks/darkfield_robustness.py ... --model darkfield_v1 --model run/darkfield.h5

Give the split of a training that all models share, or images that none of them has seen. The table
has a row for each change and model: IoU of the pixels of all images together, and how many objects
were found. Pixels that a change puts around the picture are not scored, but objects found there
count. The changes share no code with those that training draws.
"""

import argparse
import io
from pathlib import Path
from typing import Callable, NamedTuple, Sequence

import numpy as np
from matplotlib.font_manager import findfont
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter
from tqdm import tqdm

from micrograph_networks.errors import UserError
from micrograph_networks.files.tables import csv_table, number
from segment import load_model, segment_image
from segment.annotations.dataset import Pair, read_pair
from segment.classes import BACKGROUND, BLOOD_CELL, CLASSES, SPIROCHAETE
from segment.evaluation.evaluate import pairs_of
from segment.evaluation.scores import confusion_matrix, scores
from segment.inference.model import SegmentationModel
from segment.inference.normalization import as_color

COLUMNS = (
    "change",
    "model",
    "images",
    "iou_blood_cell",
    "iou_spirochaete",
    "mean_iou",
    "found_spirochaete",
    "found_blood_cell",
)


class Scene(NamedTuple):
    """A changed image and what is known of it.

    Attributes
    ----------
    image : ndarray, (height, width, 3) or (height, width)
    truth : ndarray of uint8, (height, width)
        True class indices.
    scored : ndarray of bool, (height, width)
        True where the picture is.
    """

    image: np.ndarray
    truth: np.ndarray
    scored: np.ndarray


def pixelwise(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Scene], Scene]:
    """Return the change of a scene of 8 bits that maps levels of 0 to 255, float, to others."""

    def changed(scene):
        levels = change(scene.image.astype(np.float32))
        return scene._replace(image=np.rint(np.clip(levels, 0, 255)).astype(np.uint8))

    return changed


def black_margins(scene: Scene) -> Scene:
    """Add a black margin of an eightieth of the width at the left and at the right."""
    return padded(scene, (0, scene.truth.shape[1] // 80 + 1), 0)


def white_margins(scene: Scene) -> Scene:
    """Add a white margin of a twentieth of the height above and below."""
    return padded(scene, (scene.truth.shape[0] // 20 + 1, 0), 255)


def padded(scene: Scene, widths: Sequence[int], gray: int) -> Scene:
    """Add margins of one gray above and below, and at the left and at the right."""
    around = [(width, width) for width in widths]
    return Scene(
        np.pad(scene.image, [*around, (0, 0)], constant_values=gray),
        np.pad(scene.truth, around, constant_values=BACKGROUND),
        np.pad(scene.scored, around),
    )


def round_field(scene: Scene) -> Scene:
    """Blacken what is farther from the center than half of the longer side."""
    inside = from_center(scene.truth.shape) <= max(scene.truth.shape) / 2
    return Scene(scene.image * inside[..., None], scene.truth, inside)


def scale_bar(scene: Scene) -> Scene:
    """Burn in a white bar of a fifth of the width and its length, at the lower right."""
    height, width = scene.truth.shape
    length, thick, text = width // 5, max(height // 120, 2), "20 µm"
    left, top = int(0.96 * width) - length, int(0.95 * height) - thick
    picture, stencil = Image.fromarray(scene.image), Image.new("L", (width, height))
    draw, font = ImageDraw.Draw(stencil), ImageFont.truetype(findfont("DejaVu Sans"), height // 22)
    draw.rectangle((left, top, left + length, top + thick), fill=255)
    draw.text((left + length / 2, top - thick), text, fill=255, font=font, anchor="mb")
    picture.paste((255, 255, 255), mask=stencil)
    truth = np.where(np.array(stencil) > 127, BACKGROUND, scene.truth)
    return Scene(np.array(picture), truth, scene.scored)


def twelve_bits(scene: Scene) -> Scene:
    """Store the levels as 12 bits in 16, as cameras do."""
    return scene._replace(image=np.rint(scene.image * (4095 / 255)).astype(np.uint16))


def a_sixteenth(scene: Scene) -> Scene:
    """Divide intensities of 0 to 1 by 16, as when CellProfiler reads 12 bits in 16."""
    return scene._replace(image=scene.image.astype(np.float32) / (16 * 255))


def gray(scene: Scene) -> Scene:
    """Keep one channel, the luminance."""
    return scene._replace(image=np.array(Image.fromarray(scene.image).convert("L")))


def jpeg(scene: Scene) -> Scene:
    """Compress as JPEG of quality 50."""
    file = io.BytesIO()
    Image.fromarray(scene.image).save(file, "JPEG", quality=50)
    return scene._replace(image=np.array(Image.open(file)))


def blurred(levels: np.ndarray, sigma: float) -> np.ndarray:
    """Blur by a Gaussian whose standard deviation is given in pixels."""
    return gaussian_filter(levels, (sigma, sigma, 0))


def sharpened(levels: np.ndarray) -> np.ndarray:
    """Add what a blur by 1.5 pixels takes away."""
    return 2 * levels - blurred(levels, 1.5)


def noisy(levels: np.ndarray) -> np.ndarray:
    """Add noise with a standard deviation of 10 gray levels, the same in every run."""
    return levels + np.random.default_rng(0).normal(0, 10, levels.shape)


def vignette(levels: np.ndarray) -> np.ndarray:
    """Darken with the square of the distance from the center, corners to 40%."""
    distance = from_center(levels.shape)
    return levels * (1 - 0.6 * (distance / distance.max()) ** 2)[..., None]


def from_center(shape: Sequence[int]) -> np.ndarray:
    """Return the distances of all pixels from the center of an image, float, (height, width)."""
    rows, cols = (np.arange(length) - (length - 1) / 2 for length in shape[:2])
    return np.hypot(rows[:, None], cols[None])


CHANGES = {
    "none": lambda scene: scene,
    "black margins": black_margins,
    "round field of view on black": round_field,
    "white margins": white_margins,
    "scale bar with text": scale_bar,
    "12 bits in 16": twelve_bits,
    "half as bright": pixelwise(lambda levels: levels / 2),
    "a quarter as bright": pixelwise(lambda levels: levels / 4),
    "a sixteenth as bright": a_sixteenth,
    "1.6 times as bright": pixelwise(lambda levels: 1.6 * levels),
    "gamma 0.6": pixelwise(lambda levels: 255 * (levels / 255) ** 0.6),
    "brighter background": pixelwise(lambda levels: levels + 30),
    "gray": gray,
    "red cast": pixelwise(lambda levels: levels * (1.3, 0.9, 0.75)),
    "blurred by 2 pixels": pixelwise(lambda levels: blurred(levels, 2)),
    "sharpened": pixelwise(sharpened),
    "JPEG 50": jpeg,
    "noise": pixelwise(noisy),
    "vignette": pixelwise(vignette),
}
"""Changes by name, each from a scene of 8-bit RGB to another scene."""


def main():
    """Write a row for each change and model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--csv", type=Path, required=True, help="CSV of images and masks")
    parser.add_argument("--split", type=Path, required=True, help="the split.csv of a training")
    parser.add_argument("--part", default="test", help="part to judge (default: test)")
    parser.add_argument(
        "--model", action="append", help="model or weights file (default: the newest); repeatable"
    )
    parser.add_argument("--output", type=Path, required=True, help="CSV to write")
    arguments = parser.parse_args()
    try:
        pairs = pairs_of(arguments.csv, arguments.split, arguments.part)
        models = [load_model(name) for name in arguments.model or [None]]
        write_table(arguments.output, pairs, models)
    except UserError as error:
        parser.error(str(error))


def write_table(path: Path, pairs: Sequence[Pair], models: Sequence[SegmentationModel]) -> None:
    """Write the table, and print its rows as they are ready."""
    scenes = [read_scene(pair) for pair in pairs]
    print(*COLUMNS, sep=", ")
    with csv_table(path, COLUMNS) as table:
        for name, change in CHANGES.items():
            changed = [change(scene) for scene in scenes]
            for model in models:
                row = [name, model.name, len(scenes), *map(number, judged(changed, model))]
                table.writerow(row)
                print(*row, sep=", ", flush=True)


def read_scene(pair: Pair) -> Scene:
    """Read an image of 8 bits and its mask."""
    image, mask = read_pair(pair, CLASSES)
    if image.dtype != np.uint8:
        raise UserError(f"{pair.image} is of {image.dtype}: convert it to 8 bits.")
    return Scene(np.array(as_color(image)), mask, np.ones(mask.shape, dtype=bool))


def judged(scenes: Sequence[Scene], model: SegmentationModel) -> Sequence[float]:
    """Return the columns after images.

    Raises
    ------
    UserError
        The model has other classes than the shipped ones.
    """
    if [one.name for one in model.classes] != list(CLASSES):
        raise UserError(f"{model.name} has other classes than {', '.join(CLASSES)}.")
    matrix, counts = np.zeros((len(CLASSES), len(CLASSES)), dtype=int), dict.fromkeys(CLASSES, 0)
    for scene in tqdm(scenes, desc=model.name, unit="image", disable=None, leave=False):
        found = segment_image(scene.image, model)
        truth, classes = scene.truth[scene.scored], found.classes[scene.scored]
        matrix += confusion_matrix(truth, classes, len(CLASSES))
        for one in found.by_class:
            counts[one.pixel_class.name] += len(one.means)
    agreement = scores(matrix)
    return (
        agreement.iou[BLOOD_CELL],
        agreement.iou[SPIROCHAETE],
        agreement.mean_iou,
        counts[CLASSES[SPIROCHAETE]],
        counts[CLASSES[BLOOD_CELL]],
    )


if __name__ == "__main__":
    main()
