"""The command that trains a network."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, List, Optional, Sequence, Tuple

import click

from micrograph_networks.commandline.commands import (
    FILES,
    about_training,
    example,
    license_option,
    output_option,
    run_folder,
    seed_option,
)
from micrograph_networks.errors import UserError
from segment.classes import FILAMENTS, NOTHING, PixelClass, pixel_classes
from segment.commandline.options import classes_option, table_option
from segment.training.recipes import RECIPES, SMALL_RECIPE, Recipe, changed_recipe

if TYPE_CHECKING:
    from micrograph_networks.training.run import TrainingRun
    from segment.annotations.dataset import Sample


@click.command(
    epilog=example(
        "segment-darkfield train --csv data.csv --output run1 --backbone-weights vgg16.h5\n"
        "segment-darkfield train --csv mine.csv --output run2 --class background --class platelet "
        "--class fiber --filament fiber"
    )
)
@table_option
@output_option("the run", owns_folder=True)
@click.option(
    "--backbone-weights",
    type=FILES,
    show_default="download by Keras",
    help="HDF5 file of the convolutions of VGG16 trained on ImageNet, to start from.",
)
@click.option(
    "--initial",
    show_default="VGG16",
    help="Name of a shipped model or a weights file to start from, with the same classes and the "
    "channels of the recipe.",
)
@click.option(
    "--recipe",
    type=click.Choice(list(RECIPES)),
    default="small",
    help='"small" (fewer channels, 2.5 times fewer operations) or "full".',
)
@click.option(
    "--hold-back/--no-hold-back",
    default=True,
    help="Keep a tenth of the images for validation and a tenth for a test.",
)
@classes_option
@click.option(
    "--filament",
    "filaments",
    multiple=True,
    show_default="spirochaete",
    help="Class of long thin objects, which are measured by their length; may be repeated.",
)
@click.option(
    "--no-objects",
    multiple=True,
    show_default="the background",
    help="Class that is learned but not divided into objects; may be repeated.",
)
@click.option(
    "--class-color",
    "colors",
    multiple=True,
    show_default="a list of eight colors",
    help="Color of a class in pictures, as NAME=RED,GREEN,BLUE of 0 to 255; may be repeated.",
)
@click.option(
    "--groups",
    type=FILES,
    show_default="near duplicates",
    help="JSON list of lists of image names, without folder and suffix, that stay in one part.",
)
@click.option(
    "--epochs",
    type=click.IntRange(0),
    multiple=True,
    show_default=" and ".join(str(stage.epochs) for stage in SMALL_RECIPE.stages),
    help="Number of epochs; repeat it for each stage of the recipe. The time left is shown; fewer "
    "epochs take less time and learn less.",
)
@click.option(
    "--working-size",
    type=click.IntRange(32),
    show_default=str(SMALL_RECIPE.working_size),
    help="Longer side of the scaled images in pixels.",
)
@click.option(
    "--batch",
    type=click.IntRange(1),
    show_default=str(SMALL_RECIPE.batch),
    help="Number of crops in a batch.",
)
@seed_option("Seed of the division into parts, of new weights and of the crops.")
@license_option
@click.option(
    "--mixed-precision",
    is_flag=True,
    help="Multiply in bfloat16: about five times faster on a CPU with AMX, twice with AVX-512 "
    "BF16, faster on a new GPU, slower on other CPUs.",
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

    Images are divided into training, validation and test; near duplicates stay in one part.
    split.csv lists the part of each image. training.csv, loss.png, iou.png and pictures/ show the
    progress after every epoch; the validation images decide nothing. darkfield.h5 is the mean of
    the last epochs. Repeat the same command to resume a run that was stopped: it continues after
    the last complete epoch.
    """
    from micrograph_networks.training.keras_models import multiply_in_bfloat16
    from micrograph_networks.training.run import TrainingRun
    from segment.training.start import download_vgg16, from_model, read_vgg16
    from segment.training.train import train as train_network

    if initial and backbone_weights:
        raise UserError("Give --initial or --backbone-weights: a run starts from one of them.")
    if mixed_precision:
        multiply_in_bfloat16()
    described = _described(classes, filaments, no_objects, colors)
    chosen = changed_recipe(RECIPES[recipe], described, **choices)
    if initial:
        start = from_model(initial, chosen)
    else:
        start = read_vgg16(backbone_weights) if backbone_weights else download_vgg16()
    run = TrainingRun(run_folder(output), {**dataclasses.asdict(chosen), "initial": initial})
    samples, validation = _read_parts(csv, run, chosen, groups, hold_back)
    click.echo(f"Images for training: {len(samples)}; for validation: {len(validation)}")
    data = csv.resolve().parent.name
    about = {**about_training("segment-darkfield", data, license), "initial": initial}
    path = train_network(run, chosen, samples, validation, start, about)
    click.echo(f"Wrote {path}")


def _described(
    names: Sequence[str],
    filaments: Sequence[str],
    no_objects: Sequence[str],
    colors: Sequence[str],
) -> Tuple[PixelClass, ...]:
    """Return the classes that the options describe."""
    from segment.annotations.masks import palette

    for name in (*filaments, *no_objects):
        if name not in names:
            raise UserError(f"'{name}' is not one of the classes {', '.join(names)}.")
    kinds = {**dict.fromkeys(filaments, FILAMENTS), **dict.fromkeys(no_objects, NOTHING)}
    scaled = {}
    for color, index in (palette(names, colors) if colors else {}).items():
        if max(color) > 255:
            raise UserError("Colors of classes are three numbers of 0 to 255.")
        red, green, blue = color
        scaled[names[index]] = (red / 255, green / 255, blue / 255)
    return pixel_classes(names, kinds, scaled)


def _read_parts(
    csv: Path, run: "TrainingRun", recipe: Recipe, groups: Optional[Path], hold_back: bool
) -> Tuple[List["Sample"], List["Sample"]]:
    """Read and divide the images; return training and validation samples."""
    from segment.annotations import dataset

    names = [one.name for one in recipe.classes]
    samples = dataset.load_samples(csv, names, recipe.working_size)
    known = dataset.read_groups(groups, [s.name for s in samples]) if groups else []
    numbers, parts = dataset.divide(samples, known, recipe.seed, hold_back)
    rows = [(s.name, str(group), part) for s, group, part in zip(samples, numbers, parts)]
    run.keep_split(dataset.SPLIT_COLUMNS, rows)
    learners = [sample for sample, part in zip(samples, parts) if part == "train"]
    return learners, [sample for sample, part in zip(samples, parts) if part == "validation"]
