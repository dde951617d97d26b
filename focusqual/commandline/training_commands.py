"""Commands that train a network, and that evaluate a model on images whose defocus is known."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional, Sequence, Tuple

import click

from focusqual.inference.options import FocusOptions
from micrograph_networks.commandline.commands import (
    FILES,
    Number,
    about_training,
    example,
    license_option,
    model_option,
    output_option,
    prepare_outputs,
    run_folder,
    seed_option,
    workers_option,
)
from micrograph_networks.commandline.options import options_of
from micrograph_networks.engines import EngineOptions
from micrograph_networks.files.ownership import remove_earlier
from micrograph_networks.files.tables import csv_table
from micrograph_networks.files.writing import atomic_write
from micrograph_networks.progress import counted, follow

if TYPE_CHECKING:
    import pandas as pd

    from focusqual.evaluation.evaluate import MeasuredImage
    from focusqual.inference.model import FocusModel


def measurement_options(command: Callable, make: Optional[Callable] = None) -> Callable:
    """Decorate a command with the options of a measurement.

    The arguments ``model`` (str or None), ``engine`` (EngineOptions) and ``options``
    (FocusOptions, or what ``make`` returns, see :func:`options_of`) receive their values.
    """
    command = options_of("options", FocusOptions, make)(command)
    command = options_of("engine", EngineOptions)(command)
    return model_option(command)


@click.command(
    epilog=example(
        "focusqual train nuclei/ actin/ --output run1\n"
        "focusqual train mine/ --output run3 --bank bank/ --epochs 300\n"
        "focusqual train mine/ --output run2 --initial run1/focus.h5 --learning-rate 1e-3"
    )
)
@click.argument("folders", nargs=-1, required=True, type=FILES)
@output_option("the run", owns_folder=True)
@click.option(
    "--epochs",
    type=click.IntRange(1),
    default=40,
    help="Number of epochs. The time left is shown; fewer epochs take less time and learn less.",
)
@click.option(
    "--steps",
    type=click.IntRange(1),
    default=200,
    help="Batches of 264 patches per epoch.",
)
@click.option(
    "--learning-rate",
    type=Number(0, 1, min_open=True),
    default=2e-3,
    help="How far a step changes the weights, at most; from 2% of the steps on it falls to 0 along "
    "a cosine. Take a tenth of the default with --initial.",
)
@click.option(
    "--initial",
    show_default="random weights",
    help="Name of a shipped model or a weights file to start from.",
)
@click.option(
    "--bank",
    type=FILES,
    show_default="none",
    help="Folder of blurred specimens and processed pictures for all runs on the same images. "
    "It is filled first.",
)
@click.option(
    "--slides",
    type=click.IntRange(1),
    default=5000,
    help="Number of specimens in the bank with light at all depths, and with pictures: 4 MB each. "
    "Only with --bank.",
)
@license_option
@seed_option("Seed of the division into parts and of the patches.")
@workers_option("Number of processes that make training patches, besides the one that learns.")
def train(
    folders: Tuple[Path, ...],
    output: Path,
    initial: Optional[str],
    bank: Optional[Path],
    slides: int,
    license: str,
    workers: int,
    **schedule: Any,
) -> None:
    """Train a network on FOLDERS of in-focus images and write OUTPUT/focus.h5.

    Images are divided into training, validation and test; near duplicates stay in one part. Images
    that look out of focus are not used. split.csv lists the part of each image. Repeat the same
    command to resume a run that was stopped: it continues after the last complete epoch.
    """
    from focusqual.inference.network import FOCUS_PATCH_1, NETWORKS
    from focusqual.training import curves, in_focus_images
    from focusqual.training.bank import fill_bank, open_bank
    from focusqual.training.train import Schedule
    from focusqual.training.train import train as train_network
    from micrograph_networks.images.image_files import list_images
    from micrograph_networks.models.loading import read_network
    from micrograph_networks.training.run import TrainingRun

    trained = {FOCUS_PATCH_1.architecture: NETWORKS[FOCUS_PATCH_1.architecture]}
    start = read_network(initial, trained)[0] if initial else None
    planned = Schedule(**schedule, slides=slides if bank else 0)
    recipe = {"initial": start and start.attributes, **dataclasses.asdict(planned)}
    run = TrainingRun(run_folder(output), recipe)
    records = in_focus_images.divide(list_images(folders), planned.seed)
    parts = {part: in_focus_images.by_source(records, part) for part in ("train", "validation")}
    opened = open_bank(bank, slides, parts["train"], planned.seed) if bank else None
    run.keep_split(in_focus_images.SPLIT_COLUMNS, in_focus_images.split_rows(records))
    counts = records["part"].value_counts()
    click.echo(", ".join(counted(count, f"{part} image") for part, count in counts.items()))
    data = [Path(given).resolve().name for given in folders]
    about = about_training("focusqual", data, license)
    if opened:
        fill_bank(opened, parts["train"], planned.seed, workers)
    path = train_network(run, parts, planned, workers, about, start, opened)
    curves.draw_training(run.folder / "training.png", run.epochs)
    click.echo(f"Wrote {path}")


@click.command(
    epilog=example("focusqual evaluate nuclei/ --split run1/split.csv --output scores"),
)
@click.argument("folder", type=FILES)
@output_option("tables and pictures")
@click.option(
    "--split",
    type=FILES,
    show_default="all images of FOLDER",
    help="Use only the test images of this split.csv, written by a training.",
)
@seed_option("Seed of the simulated camera; the same seed gives the same images.")
@measurement_options
def evaluate(
    folder: Path,
    output: Path,
    split: Optional[Path],
    seed: int,
    model: Optional[str],
    engine: EngineOptions,
    options: FocusOptions,
) -> None:
    """Measure accuracy and calibration on in-focus images, defocused to every level.

    Writes evaluation.csv, images.csv, confusion matrices and a reliability diagram.
    """
    from focusqual.evaluation.evaluate import measure_synthetic
    from focusqual.inference.model import load_model
    from micrograph_networks.images.image_files import list_images
    from micrograph_networks.training.split import select_part

    paths = list_images([folder])
    if split:
        paths = [paths[index] for index in select_part(paths, split, "test")]
    loaded = load_model(model, engine)
    _prepare_evaluation(output)
    measured = [
        image
        for path in follow(paths, "image")
        for image in measure_synthetic(path, loaded, options, seed)
    ]
    _write_evaluation(output, measured, loaded, options)


@click.command(
    "evaluate-planes",
    epilog=example("focusqual evaluate-planes BBBC006/ --output scores"),
)
@click.argument("folder", type=FILES)
@output_option("tables and pictures")
@click.option(
    "--focal-plane",
    type=click.IntRange(0, 99),
    default=16,
    help="Number of the plane that is in focus.",
)
@measurement_options
def evaluate_planes(
    folder: Path,
    output: Path,
    focal_plane: int,
    model: Optional[str],
    engine: EngineOptions,
    options: FocusOptions,
) -> None:
    """Measure accuracy on z-planes named as in BBBC006.

    FOLDER contains the folders BBBC006_v1_images_z_00 and so on, which are 2 micrometers, or one
    level, apart. Writes evaluation.csv, images.csv and a confusion matrix.
    """
    from focusqual.evaluation.evaluate import measure_plane, z_planes
    from focusqual.inference.model import load_model

    planes = z_planes(folder, focal_plane)
    loaded = load_model(model, engine)
    _prepare_evaluation(output)
    measured = [
        measure_plane(path, level, loaded, options) for path, level in follow(planes, "image")
    ]
    _write_evaluation(output, measured, loaded, options)


@click.command(
    "evaluate-stacks",
    epilog=example("focusqual evaluate-stacks stacks/stacks.csv --output scores"),
)
@click.argument("table", type=FILES)
@output_option("tables and a picture")
@measurement_options
def evaluate_stacks(
    table: Path,
    output: Path,
    model: Optional[str],
    engine: EngineOptions,
    options: FocusOptions,
) -> None:
    """Compare a model with classical measures of focus on stacks of planes.

    TABLE is a CSV with the columns image (path relative to TABLE), stack, position and focus (both
    along the axis, in micrometers), one row per plane. Optional columns are kind, pixel_size,
    numerical_aperture, wavelength and refractive_index. Writes evaluation.csv, stacks.csv,
    planes.csv and stacks.png, and, if the optics are known, defocus.png: the predicted defocus in
    micrometers against the distance to the focus.
    """
    from focusqual.evaluation import plots, stacks
    from focusqual.inference.model import load_model

    planes = stacks.read_planes(table)
    loaded = load_model(model, engine)
    names = ("planes.csv", "stacks.csv", "evaluation.csv", "stacks.png", "defocus.png")
    folder = prepare_outputs(output, [output / name for name in names], ["defocus.png"])
    measured = stacks.measure_planes(planes, loaded, options)
    compared = stacks.compare(measured)
    plots.draw_stacks(folder / "stacks.png", measured)
    if stacks.defocus_accuracy(measured):
        plots.draw_defocus(folder / "defocus.png", measured)
    remove_earlier()
    _write_table(folder / "planes.csv", measured[stacks.PLANES_CSV])
    _write_table(folder / "stacks.csv", stacks.compare_by_stack(measured))
    _write_table(folder / "evaluation.csv", compared)
    click.echo(stacks.as_text(compared))
    click.echo(f"Tables and pictures: {folder}")


def _write_table(path: Path, rows: "pd.DataFrame") -> None:
    with atomic_write(path) as temporary:
        rows.to_csv(temporary, index=False, errors="backslashreplace")


def _prepare_evaluation(output: Path) -> None:
    pictures = ("confusion_images.png", "confusion_patches.png", "reliability.png")
    names = ("evaluation.csv", "images.csv", *pictures)
    prepare_outputs(output, [output / name for name in names], pictures)


def _write_evaluation(
    folder: Path, measured: Sequence["MeasuredImage"], model: "FocusModel", options: FocusOptions
) -> None:
    """Write the tables and pictures of an evaluation, and print its figures."""
    from focusqual.evaluation import plots
    from focusqual.evaluation.evaluate import accuracy
    from focusqual.inference import tables

    figures = accuracy(measured, options)
    plots.draw_evaluation(folder, measured)
    with csv_table(folder / "evaluation.csv", ["metric", "value"]) as rows:
        rows.writerows(figures.items())
    columns = tables.focus_columns(options.optics is not None)
    with csv_table(folder / "images.csv", ["image", "level", *columns[1:]]) as rows:
        for image in measured:
            name, *values = tables.focus_row(image.name, image.measurement, model)
            rows.writerow([name, image.level, *values])
    remove_earlier()
    for name, value in figures.items():
        click.echo(f"{name:45} {value:.4g}")
    click.echo(f"Tables and pictures: {folder}")
