"""The command line: every command reads its arguments, calls the core, and writes files."""

import dataclasses
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

import click
from tqdm import tqdm

from micrograph_networks.commandline.commands import (
    FILES,
    SETTINGS,
    Commands,
    about_training,
    check_unique_stems,
    each_image,
    example,
    exit_if_incomplete,
    export_command,
    format_option,
    images_argument,
    license_option,
    model_option,
    models_command,
    output_option,
    run_folder,
    version_option,
)
from micrograph_networks.commandline.options import options_of
from micrograph_networks.engines import EngineOptions
from micrograph_networks.errors import UserError
from micrograph_networks.files.tables import csv_table, number, table
from micrograph_networks.files.writing import output_folder
from micrograph_networks.training.split import PARTS
from segment.classes import CLASSES, FILAMENTS, NOTHING, PixelClass, pixel_classes
from segment.inference.network import NETWORKS
from segment.inference.options import SegmentationOptions
from segment.training.recipes import RECIPES

if TYPE_CHECKING:
    from micrograph_networks.export.bioimageio import ZooModel
    from micrograph_networks.images.planes import Plane
    from micrograph_networks.training.run import TrainingRun
    from segment.evaluation.evaluate import Evaluated, Tally
    from segment.inference.model import SegmentationModel
    from segment.training.recipes import Recipe
    from segment.training.start import Start
    from segment.training.train import Parts

PICTURES = 10
"""Of the worst images of an evaluation."""
MOST_OBJECTS = 65535
"""Of a class that the numbers of a 16-bit label image tell apart."""


_class_option = click.option(
    "--class",
    "classes",
    multiple=True,
    default=CLASSES,
    show_default=True,
    help="Name of a class, the background first; their order is that of the indices 0, 1, ...",
)


@click.group(cls=Commands, context_settings=SETTINGS)
@version_option
def main() -> None:
    """Find blood cells and spirochaetes in dark-field images."""


main.add_command(models_command("segment-darkfield", NETWORKS))


def _zoo_model(model: Optional[str]) -> "ZooModel":
    from segment.export.zoo import zoo_model

    return zoo_model(model)


main.add_command(export_command("segment-darkfield", NETWORKS, _zoo_model))


@main.command(
    epilog=example(
        "segment-darkfield predict slide1/*.png --output found\n"
        "segment-darkfield predict field.tif --output found --cell-diameter 35 --discard-border"
    )
)
@images_argument
@output_option("tables and pictures")
@format_option
@model_option
@options_of("engine", EngineOptions)
@options_of("options", SegmentationOptions)
def predict(
    images: Tuple[Path, ...],
    output: Path,
    suffix: str,
    model: Optional[str],
    engine: EngineOptions,
    options: SegmentationOptions,
) -> None:
    """Segment images and write cells.csv, class images, label images and overlays.

    STEM_classes.png holds the index of each pixel's class: 0 for background, 1 for blood cells and
    2 for spirochaetes. STEM_blood_cell.tif and STEM_spirochaete.tif hold a number for every object,
    STEM_overlay.png the outlines on the image. Models of other classes give other names. An image
    that cannot be read is named, the others are segmented all the same, and the exit code is 1.
    """
    from micrograph_networks.images.planes import planes_of, position_columns, position_values
    from segment.inference.model import load_model
    from segment.inference.tables import OBJECT_COLUMNS

    planes = planes_of(images)
    check_unique_stems(planes)
    positions = position_columns(planes)
    folder = output_folder(output)
    loaded = load_model(model, engine)
    done = 0
    with table(folder / f"cells.{suffix}", [*OBJECT_COLUMNS, *positions]) as objects:
        segment = functools.partial(_predict_image, folder, loaded, options)
        for plane, rows in each_image(planes, segment):
            done += 1
            objects.writerows([*row, *position_values(plane, positions)] for row in rows)
    click.echo(f"Segmented {done} of {len(planes)} images: {folder / f'cells.{suffix}'}")
    exit_if_incomplete(done, planes)


def _predict_image(
    folder: Path, model: "SegmentationModel", options: SegmentationOptions, plane: "Plane"
) -> List[List[object]]:
    from micrograph_networks.images.image_files import write_png, write_tiff
    from segment.inference.picture import overlay
    from segment.inference.segmentation import segment_image
    from segment.inference.tables import object_rows

    image = plane.read()
    found = segment_image(image, model, options=options)
    most = max(len(one.means) for one in found.by_class)
    if most > MOST_OBJECTS:
        raise UserError(
            f"{most} objects are more than the {MOST_OBJECTS} that a 16-bit image can number: "
            "cut the image into parts, or raise the smallest area."
        )
    rows = list(object_rows(plane.name, found, model))
    labels, classes = [(one.described, one.labels) for one in found.by_class], found.classes
    del found  # the probabilities of a large image take most of the memory
    write_png(folder / f"{plane.stem}_classes.png", classes)
    for described, numbers in labels:
        write_tiff(folder / f"{plane.stem}_{described.in_names}.tif", numbers.astype("uint16"))
    picture = overlay(image, [(numbers, described.color) for described, numbers in labels])
    write_png(folder / f"{plane.stem}_overlay.png", picture)
    return rows


@main.command(
    epilog=example(
        "segment-darkfield evaluate --csv data.csv --split run1/split.csv --output scores\n"
        "segment-darkfield evaluate --csv other.csv --weights run1/darkfield.h5 --output scores"
    )
)
@click.option(
    "--csv", required=True, type=FILES, help="Table of columns images and masks, relative to it."
)
@output_option("tables and pictures")
@click.option("--split", type=FILES, help="Only images of a part of this split.csv of a training.")
@click.option(
    "--part", type=click.Choice(PARTS), default="test", show_default=True, help="Of the split."
)
@click.option(
    "--class",
    "classes",
    multiple=True,
    help="Name of a class of the masks, in the order of their indices, where they are not those of "
    "the model; pixels of others than the model's count as background.",
)
@model_option
@options_of("engine", EngineOptions)
@options_of("options", SegmentationOptions)
def evaluate(
    csv: Path,
    output: Path,
    split: Optional[Path],
    part: str,
    classes: Tuple[str, ...],
    model: Optional[str],
    engine: EngineOptions,
    options: SegmentationOptions,
) -> None:
    """Compare segmentations with true masks, at the images' own sizes.

    Scores of a class are those of all images together: sums of pixels over sums of pixels. Objects
    are compared one to one. Cells that stand alone in the masks are found where the IoU with a
    found one is 0.5 or more; what is found of cells that touch in the masks is not judged.
    Filaments, such as spirochaetes, are found where half of each middle line lies within 4 pixels of
    the other. OUTPUT holds evaluation.csv, images.csv with a row an image, and pictures of the
    worst images: the image, true outlines, found outlines.
    """
    from micrograph_networks.images.image_files import write_png
    from segment.evaluation import evaluate as evaluation
    from segment.inference.model import load_model

    loaded = load_model(model, engine)
    pairs = evaluation.pairs_of(csv, split, part)
    folder = output_folder(output)
    total: Any = 0
    tallies: Dict[str, Tally] = {}
    worst: List[Evaluated] = []
    columns = ["image", *evaluation.figure_names(loaded.classes)]
    with csv_table(folder / "images.csv", columns) as images:
        for pair in tqdm(pairs, unit="image", disable=None):
            found = evaluation.evaluate_pair(pair, loaded, options, classes)
            measured = evaluation.figures(found.matrix, found.tallies, loaded.classes)
            images.writerow([pair.name, *map(number, measured.values())])
            total = total + found.matrix
            tallies = evaluation.added(tallies, found.tallies)
            worst = sorted([*worst, found], key=lambda image: image.mean_iou)[:PICTURES]
    for place, image in enumerate(worst, 1):
        name = f"worst{place:02}_{image.pair.image.stem}.png"
        write_png(folder / name, evaluation.comparison(image, loaded.classes))
    _report(folder, evaluation.figures(total, tallies, loaded.classes))
    click.echo(f"{len(pairs)} images; tables and pictures of the worst: {folder}")


def _report(folder: Path, measured: Mapping[str, float]) -> None:
    with csv_table(folder / "evaluation.csv", ["figure", "value"]) as rows:
        rows.writerows(measured.items())
    for name, value in measured.items():
        click.echo(f"{name:30} {number(value)}")


@main.command(
    "convert-masks",
    epilog=example(
        "segment-darkfield convert-masks labels/*.png --output masks --color 'blood cell=255,0,0' "
        "--color spirochaete=0,0,255\n"
        "segment-darkfield convert-masks white/*.tif --output masks --color 'blood cell=255'\n"
        "segment-darkfield convert-masks masks/*.png --output white --keep 'blood cell'"
    ),
)
@click.argument("masks", nargs=-1, required=True, type=FILES)
@output_option("the new masks")
@_class_option
@click.option(
    "--color",
    "colors",
    multiple=True,
    help="Class and its gray value or color in the masks, as NAME=VALUE or NAME=RED,GREEN,BLUE; "
    "black is the background. By default the masks hold class indices.",
)
@click.option(
    "--keep", "kept", multiple=True, help="Class to show as 255, all others as 0; may be repeated."
)
def convert_masks(
    masks: Tuple[Path, ...],
    output: Path,
    classes: Tuple[str, ...],
    colors: Tuple[str, ...],
    kept: Tuple[str, ...],
) -> None:
    """Turn masks into class indices, or into 0 and 255, as PNG.

    A pixel of an unknown value is an error: the mask is named, the others are converted all the
    same, and the exit code is 1.
    """
    from micrograph_networks.images.image_files import write_png
    from micrograph_networks.images.planes import planes_of
    from segment.annotations.masks import black_and_white, class_indices, palette

    known = palette(classes, colors)
    planes = planes_of(masks)
    check_unique_stems(planes)
    folder = output_folder(output)

    def convert(plane: "Plane") -> None:
        converted = class_indices(plane.read(), known)
        if kept:
            converted = black_and_white(converted, classes, kept)
        write_png(folder / f"{plane.stem}.png", converted)

    done = len(list(each_image(planes, convert)))
    click.echo(f"Converted {done} of {len(planes)} masks: {folder}")
    exit_if_incomplete(done, planes)


@main.command(
    epilog=example(
        "segment-darkfield train --csv data.csv --output run1 --backbone-weights vgg16.h5\n"
        "segment-darkfield train --csv mine.csv --output run2 --class background --class platelet "
        "--class fiber --filament fiber"
    )
)
@click.option(
    "--csv", required=True, type=FILES, help="Table of columns images and masks, relative to it."
)
@output_option("the run")
@click.option(
    "--backbone-weights",
    type=FILES,
    help="VGG16's convolutions trained on ImageNet, HDF5; downloaded by Keras by default.",
)
@click.option(
    "--initial",
    help="Model or weights file of the same classes to start from instead; of its channels those "
    "that weigh most are taken.",
)
@click.option(
    "--recipe",
    type=click.Choice(list(RECIPES)),
    default="small",
    show_default=True,
    help="Of a network with fewer channels, 2.5 times fewer operations, or of the whole one.",
)
@click.option(
    "--hold-back/--no-hold-back",
    default=True,
    show_default=True,
    help="Whether a tenth of the images each is kept for validation and for a test.",
)
@_class_option
@click.option(
    "--filament",
    "filaments",
    multiple=True,
    help="Class of long thin objects, which are measured by their length; spirochaete is one.",
)
@click.option(
    "--no-objects", multiple=True, help="Class that is learned, but of which no objects are made."
)
@click.option(
    "--class-color",
    "colors",
    multiple=True,
    help="Class and its color in pictures, as NAME=RED,GREEN,BLUE of 0 to 255.",
)
@click.option("--groups", type=FILES, help="JSON list of lists of image stems not to be parted.")
@click.option(
    "--epochs",
    type=click.IntRange(0),
    multiple=True,
    help="Once for each stage of the recipe. All 0: only make the network of --initial narrower.",
)
@click.option("--working-size", type=click.IntRange(32), help="Longer side of the images, pixels.")
@click.option("--batch", type=click.IntRange(1), help="Crops in a batch.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@license_option
@click.option(
    "--mixed-precision",
    is_flag=True,
    help="Multiply in bfloat16: some five times faster on a CPU with AMX, twice with AVX-512 BF16, "
    "faster on a new GPU, slower on other CPUs.",
)
def train(
    csv: Path,
    output: Path,
    backbone_weights: Optional[Path],
    initial: Optional[str],
    recipe: str,
    hold_back: bool,
    classes: Tuple[str, ...],
    filaments: Tuple[str, ...],
    no_objects: Tuple[str, ...],
    colors: Tuple[str, ...],
    groups: Optional[Path],
    license: str,
    mixed_precision: bool,
    **choices: Any,
) -> None:
    """Train a network on images and masks and write OUTPUT/darkfield.h5.

    Images are divided into training, validation and test by groups of near duplicates; split.csv
    says which. After every epoch training.csv, loss.png, iou.png and pictures/ show how far it is;
    the validation images decide nothing. darkfield.h5 is the mean of the last epochs. A run that
    was stopped goes on from its last epoch when the same command is given again.
    """
    from micrograph_networks.training.keras_models import multiply_in_bfloat16
    from micrograph_networks.training.run import TrainingRun
    from segment.training.recipes import changed_recipe
    from segment.training.train import train as train_network

    if mixed_precision:
        multiply_in_bfloat16()
    described = _described(classes, filaments, no_objects, colors)
    chosen = changed_recipe(RECIPES[recipe], described, **choices)
    if not (initial or any(stage.epochs for stage in chosen.stages)):
        raise UserError("Without epochs a model is made narrower, no more: give --initial.")
    start = _start(initial, backbone_weights, described)
    run = TrainingRun(run_folder(output), {**dataclasses.asdict(chosen), "initial": initial})
    parts = _training_parts(csv, run, chosen, groups, hold_back)
    click.echo(f"{len(parts.train)} training and {len(parts.validation)} validation images")
    data = csv.resolve().parent.name
    about = {**about_training("segment-darkfield", data, license), "initial": initial}
    path = train_network(run, chosen, parts, start, about)
    click.echo(f"Wrote {path}")


def _described(
    names: Sequence[str],
    filaments: Sequence[str],
    no_objects: Sequence[str],
    colors: Sequence[str],
) -> Tuple[PixelClass, ...]:
    """The classes to learn, by what is said of them."""
    from segment.annotations.masks import palette

    for name in (*filaments, *no_objects):
        if name not in names:
            raise UserError(f"'{name}' is none of the classes {', '.join(names)}.")
    kinds = {**dict.fromkeys(filaments, FILAMENTS), **dict.fromkeys(no_objects, NOTHING)}
    chosen = palette(names, colors) if colors else {}
    if max(map(max, chosen), default=0) > 255:
        raise UserError("Colors of classes are three numbers of 0 to 255.")
    scaled = {
        names[index]: (red / 255, green / 255, blue / 255)
        for (red, green, blue), index in chosen.items()
    }
    return pixel_classes(names, kinds, scaled)


def _start(
    initial: Optional[str], backbone: Optional[Path], classes: Sequence[PixelClass]
) -> Callable[[], "Start"]:
    from segment.training import start
    from segment.training.backbone import download_backbone, read_backbone

    if initial and backbone:
        raise UserError("Give --initial or --backbone-weights: a run starts from one of them.")
    if initial:
        model = start.from_model(initial, classes)
        return lambda: model
    return lambda: start.from_backbone(read_backbone(backbone) if backbone else download_backbone())


def _training_parts(
    csv: Path,
    run: "TrainingRun",
    recipe: "Recipe",
    groups: Optional[Path],
    hold_back: bool,
) -> "Parts":
    from segment.annotations import dataset
    from segment.inference.scaling import scaled_shape
    from segment.training.train import Parts

    samples = dataset.load_samples(
        csv,
        [one.name for one in recipe.classes],
        lambda shape: scaled_shape(shape, recipe.working_size / max(shape)),
    )
    known = dataset.read_groups(groups, [s.name for s in samples]) if groups else []
    numbers, parts = dataset.divide(samples, known, recipe.seed, hold_back)
    run.keep_split(dataset.SPLIT_COLUMNS, dataset.split_rows(samples, numbers, parts))
    chosen = {
        part: [s for s, its_part in zip(samples, parts) if its_part == part]
        for part in ("train", "validation")
    }
    return Parts(**chosen)


@main.command(epilog=example("segment-darkfield scenes --output drawn --count 8"))
@output_option("images and masks")
@click.option("--count", type=click.IntRange(1), default=8, show_default=True, help="Of scenes.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
def scenes(output: Path, count: int, seed: int) -> None:
    """Draw dark-field scenes with true masks, to try things out on.

    OUTPUT holds images/ and masks/ of class indices, and data.csv, which evaluate takes, and which
    says how many cells and spirochaetes each scene has.
    """
    import numpy as np

    from micrograph_networks.images.image_files import write_png
    from segment.annotations.dataset import COLUMNS
    from segment.simulation.scenes import darkfield_scene

    folder = output_folder(output)
    output_folder(folder / "images")
    output_folder(folder / "masks")
    rng = np.random.default_rng(seed)
    with csv_table(folder / "data.csv", [*COLUMNS, "cells", "spirochaetes"]) as table:
        for place in tqdm(range(1, count + 1), unit="scene", disable=None):
            scene = darkfield_scene(rng)
            image, mask = f"images/scene_{place:02}.png", f"masks/scene_{place:02}_mask.png"
            write_png(folder / image, scene.image)
            write_png(folder / mask, scene.classes)
            table.writerow([image, mask, scene.cells, scene.spirochaetes])
    click.echo(f"Drew {count} scenes: {folder / 'data.csv'}")
