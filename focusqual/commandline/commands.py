"""The command line: every command reads its arguments, calls the core, and writes files."""

import collections
import contextlib
import dataclasses
import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, Sequence, Tuple

import click
from tqdm import tqdm

from focusqual.inference.network import NETWORKS
from focusqual.inference.options import FocusOptions
from focusqual.report.options import Thresholds
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
from micrograph_networks.errors import UserError, add_path_to_errors
from micrograph_networks.files.tables import csv_table, table
from micrograph_networks.files.writing import output_folder

if TYPE_CHECKING:
    import numpy as np

    from focusqual.evaluation.evaluate import MeasuredImage
    from focusqual.inference.measurement import FocusMeasurement
    from focusqual.inference.model import FocusModel
    from micrograph_networks.export.bioimageio import ZooModel
    from micrograph_networks.images.planes import Plane


@click.group(cls=Commands, context_settings=SETTINGS)
@version_option
def main() -> None:
    """Rate the focus of microscope images patch by patch.

    Level 0 is in focus; each further level, up to 10, is about 3 pixels more of blur diameter.
    """


main.add_command(models_command("focusqual", NETWORKS))


def _zoo_model(model: Optional[str]) -> "ZooModel":
    from focusqual.export.zoo import zoo_model

    return zoo_model(model)


main.add_command(export_command("focusqual", _zoo_model))


@main.command(
    epilog=example(
        "focusqual predict plate1/*.tif --output measured\n"
        "focusqual predict image.png --output measured --stride 42 --format parquet"
    )
)
@images_argument
@output_option("tables and pictures")
@format_option
@model_option
@options_of("engine", EngineOptions)
@options_of("options", FocusOptions)
def predict(
    images: Tuple[Path, ...],
    output: Path,
    suffix: str,
    model: Optional[str],
    engine: EngineOptions,
    options: FocusOptions,
) -> None:
    """Rate images and write focus.csv, patches.csv and annotated pictures.

    An image that cannot be read is named, the others are measured all the same, and the exit code
    is 1.
    """
    from focusqual.inference import tables
    from focusqual.inference.model import load_model
    from micrograph_networks.images.planes import planes_of, position_columns, position_values

    planes = planes_of(images)
    check_unique_stems(planes)
    positions = position_columns(planes)
    folder = output_folder(output)
    loaded = load_model(model, engine)
    done = color = 0
    with contextlib.ExitStack() as stack:
        columns = [*tables.FOCUS_COLUMNS, "folder", *positions]
        focus = stack.enter_context(table(folder / f"focus.{suffix}", columns))
        patches = stack.enter_context(table(folder / f"patches.{suffix}", tables.PATCH_COLUMNS))
        rate = functools.partial(_predict_image, folder, loaded, options)
        for plane, (image, measured) in each_image(planes, rate):
            done += 1
            color += image.ndim == 3
            row = tables.focus_row(plane.name, measured, loaded)
            position = [plane.path.resolve().parent, *position_values(plane, positions)]
            focus.writerow([*row, *position])
            patches.writerows(tables.patch_rows(plane.name, measured))
    click.echo(f"Measured {done} of {len(planes)} images: {folder / f'focus.{suffix}'}")
    if color:
        click.echo(f"{color} of them in color, as their luma (0.299 R + 0.587 G + 0.114 B).")
    exit_if_incomplete(done, planes)


def _predict_image(
    folder: Path, model: "FocusModel", options: FocusOptions, plane: "Plane"
) -> Tuple["np.ndarray", "FocusMeasurement"]:
    from focusqual.inference.picture import annotate
    from focusqual.inference.prediction import measure_focus
    from micrograph_networks.images.image_files import write_png

    image = plane.read()
    measurement = measure_focus(image, model, options=options)
    write_png(folder / f"{plane.stem}_focus.png", annotate(image, measurement))
    return image, measurement


@main.command(
    epilog=example(
        "focusqual degrade image.tif --output blurred --level 3 --level 10\n"
        "focusqual degrade *.png --output dim --level 0 --exposure 0.25 --photons 500"
    )
)
@images_argument
@output_option("the degraded images")
@click.option(
    "--level",
    "levels",
    type=click.FloatRange(0, 20),
    multiple=True,
    required=True,
    help="Defocus in levels of 2 micrometers; may be given several times.",
)
@click.option("--exposure", type=click.FloatRange(0, 1000), default=1.0, show_default=True)
@click.option("--offset", type=float, default=0.0, help="Gray level of the camera without light.")
@click.option(
    "--photons",
    type=click.FloatRange(1),
    help="Photons of the brightest pixel in focus; adds Poisson noise.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the noise.")
@click.option("--wavelength", type=click.FloatRange(0.2, 2), default=0.5, show_default=True)
@click.option(
    "--numerical-aperture", type=click.FloatRange(0.05, 2), default=0.5, show_default=True
)
@click.option("--refractive-index", type=click.FloatRange(1, 2), default=1.0, show_default=True)
@click.option(
    "--pixel-size", type=click.FloatRange(0.01, 10), default=0.65, show_default=True, help="In um."
)
def degrade(
    images: Tuple[Path, ...],
    output: Path,
    levels: Tuple[float, ...],
    exposure: float,
    offset: float,
    photons: Optional[float],
    seed: int,
    **optics: float,
) -> None:
    """Defocus images as a microscope would, and change their exposure.

    Writes STEM_levelK.tif with the bit depth of the input; values above its range saturate.
    """
    from focusqual.optics import Optics
    from focusqual.simulation.degradation import degrade as degrade_image
    from micrograph_networks.images.image_files import write_tiff
    from micrograph_networks.images.planes import planes_of

    folder = output_folder(output)
    planes = planes_of(images)
    check_unique_stems(planes)
    jobs = [(plane, level) for plane in planes for level in levels]
    for plane, level in tqdm(jobs, unit="image", disable=None):
        with add_path_to_errors(plane):
            image = degrade_image(
                plane.read(), level, Optics(**optics), exposure, offset, photons, seed
            )
        write_tiff(folder / f"{plane.stem}_level{level:g}.tif", image)


@main.command(
    epilog=example(
        "focusqual summarize measured/focus.csv --output measured\n"
        "focusqual summarize results/tables/FocusQC_Image.csv --pictures results/batches "
        "--output report"
    )
)
@click.argument("measurements", metavar="TABLE", type=FILES)
@output_option("the page, the pictures and the list of wells")
@click.option("--image", help="CellProfiler's name of the images, if TABLE holds several.")
@click.option(
    "--pictures",
    type=FILES,
    help="Folder of the annotated pictures, with those below it.",
    show_default="that of TABLE",
)
@options_of("thresholds", Thresholds)
def summarize(
    measurements: Path,
    output: Path,
    image: Optional[str],
    pictures: Optional[Path],
    thresholds: Thresholds,
) -> None:
    """Make an interactive page of a plate, and list the wells to leave out.

    TABLE is a focus.csv, or CellProfiler's table of images, such as the merged one of the cluster
    workflow. plate.html shows the plate, histograms, levels against time or position where TABLE
    has them, and the worst images; it opens without a network. scores.png and plate.png are
    pictures for a report, excluded_wells.csv is the list.
    """
    from focusqual.report import page, plate
    from focusqual.report.measurements import read_measurements
    from focusqual.report.verdicts import excluded_wells

    images = read_measurements(measurements, image)
    folder = output_folder(output)
    plate.draw_score_histogram(folder / "scores.png", images["score"].to_numpy())
    written = ["scores.png"]
    wells = images[images["well"] != ""]
    if len(wells):
        plate.draw_plate_map(folder / "plate.png", wells)
        excluded = excluded_wells(images, thresholds)
        with csv_table(folder / "excluded_wells.csv", list(excluded)) as rows:
            rows.writerows(excluded.itertuples(index=False))
        written += ["plate.png", f"excluded_wells.csv ({len(excluded)} wells)"]
    click.echo(f"Wrote {', '.join(written)} into {folder}")
    # Last, as it needs what not everyone has installed.
    page.write_page(
        folder / "plate.html",
        str(measurements),
        images,
        thresholds,
        pictures or measurements.parent,
    )
    click.echo(f"Wrote {folder / 'plate.html'}")


@main.command(
    "best-planes",
    epilog=example(
        "focusqual best-planes measured/focus.csv --output best "
        "--pattern '(?P<Well>[A-P][0-9]{2})_s(?P<Site>[0-9]+)_z(?P<Plane>[0-9]+)'"
    ),
)
@click.argument("table", type=FILES)
@output_option("tables and a picture")
@click.option(
    "--pattern",
    required=True,
    help="Regular expression, searched in the path of each image: its group Plane numbers the "
    "planes, its other named groups tell the stack.",
)
@click.option(
    "--image-name",
    default="Image",
    show_default=True,
    help="Name of the image in the table for CellProfiler's LoadData.",
)
@click.option(
    "--certain-from",
    type=click.FloatRange(0, 1),
    default=0.1,
    show_default=True,
    help="Least certainty of a plane in focus.",
)
def best_planes(
    table: Path, output: Path, pattern: str, image_name: str, certain_from: float
) -> None:
    """Find the plane in focus of each stack of a focus.csv.

    Writes best_planes.csv, a row a stack; load_data.csv, which CellProfiler's LoadData opens, with
    the best planes; and planes.png. The best plane has the lowest expected level; that of a plane
    that shows next to nothing is drawn to the mean of its stack. Images that the pattern does not
    match, and best planes that CellProfiler cannot open, are named, and the exit code is 1.
    """
    from focusqual.report import planes

    stacks, others = planes.read_stacks(table, planes.compile_pattern(pattern))
    folder = output_folder(output)
    planes.write_best_planes(folder / "best_planes.csv", stacks, certain_from)
    unopened = planes.write_load_data(folder / "load_data.csv", stacks, image_name)
    planes.draw_levels(folder / "planes.png", stacks, certain_from)
    found = sum(stack.in_focus(certain_from) for stack in stacks)
    click.echo(f"{found} of {len(stacks)} stacks have a plane in focus: {folder}")
    for path in others:
        click.echo(f"Error: {path} does not match the pattern.", err=True)
    for plane in unopened:
        click.echo(
            f"Error: {plane.image} is not in load_data.csv, as CellProfiler cannot open it in "
            f"{plane.folder / plane.file}: save it as an image file.",
            err=True,
        )
    if others or unopened:
        raise click.exceptions.Exit(1)


@main.command(epilog=example("focusqual validate plate1/*.tif"))
@images_argument
def validate(images: Tuple[Path, ...]) -> None:
    """Check that images can be measured, and name every fault; exit with 1 if there is one.

    Faults: unreadable, neither gray nor color, smaller than a patch, constant, NaN or infinite
    pixels, or more than 1% of the pixels saturated.
    """
    from focusqual.commandline.image_faults import faults
    from micrograph_networks.images.planes import planes_of

    faulty = 0
    planes = planes_of(images)
    for plane in tqdm(planes, unit="image", disable=None):
        found = faults(plane)
        faulty += bool(found)
        for fault in found:
            tqdm.write(fault)
    click.echo(f"{len(planes) - faulty} of {len(planes)} images are in order.")
    if faulty:
        raise click.exceptions.Exit(1)


@main.command(
    epilog=example(
        "focusqual train nuclei/ actin/ --output run1\n"
        "focusqual train mine/ --output run2 --initial run1/focus.h5 --learning-rate 1e-3"
    )
)
@click.argument("folders", nargs=-1, required=True, type=FILES)
@output_option("the run")
@click.option("--epochs", type=click.IntRange(1), default=40, show_default=True)
@click.option(
    "--steps", type=click.IntRange(1), default=200, show_default=True, help="Batches an epoch."
)
@click.option(
    "--learning-rate", type=click.FloatRange(0, 1, min_open=True), default=2e-3, show_default=True
)
@click.option("--initial", help="Model or weights file to start from; random by default.")
@license_option
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--workers", type=click.IntRange(1), default=os.cpu_count(), show_default=True)
def train(
    folders: Tuple[Path, ...],
    output: Path,
    initial: Optional[str],
    license: str,
    workers: int,
    **schedule: Any,
) -> None:
    """Train a network on folders of in-focus images and write OUTPUT/focus.h5.

    Images are divided into training, validation and test by groups of near duplicates, and those
    that look out of focus are left out; split.csv says which. A run that was stopped goes on
    from its last epoch when the same command is given again.
    """
    from focusqual.inference.network import FOCUS_PATCH_1
    from focusqual.training import curves, in_focus_images
    from focusqual.training.train import Schedule
    from focusqual.training.train import train as train_network
    from micrograph_networks.images.image_files import list_images
    from micrograph_networks.models.loading import read_network
    from micrograph_networks.training.run import TrainingRun

    trained = {FOCUS_PATCH_1.architecture: lambda attributes: FOCUS_PATCH_1}
    start = read_network(initial, trained)[0] if initial else None
    planned = Schedule(**schedule)
    recipe = {"initial": start and start.attributes, **dataclasses.asdict(planned)}
    run = TrainingRun(run_folder(output), recipe)
    records = in_focus_images.divide(list_images(folders), planned.seed)
    run.keep_split(in_focus_images.SPLIT_COLUMNS, in_focus_images.split_rows(records))
    parts = {part: in_focus_images.by_source(records, part) for part in ("train", "validation")}
    counts = collections.Counter(record.part for record in records)
    click.echo(", ".join(f"{count} {part} images" for part, count in counts.items()))
    data = [Path(given).resolve().name for given in folders]
    about = about_training("focusqual", data, license)
    path = train_network(run, parts, planned, workers, about, start)
    curves.draw_training(run.folder / "training.png", run.epochs)
    click.echo(f"Wrote {path}")


@main.command(
    epilog=example(
        "focusqual evaluate nuclei/ --split run1/split.csv --output scores\n"
        "focusqual evaluate BBBC006/ --z-planes --output scores\n"
        "focusqual evaluate stacks/ --stacks stacks/stacks.csv --output scores"
    )
)
@click.argument("folder", type=FILES)
@output_option("tables and pictures")
@click.option("--split", type=FILES, help="Only the test images of this split.csv of a training.")
@click.option("--z-planes", is_flag=True, help="FOLDER holds z-planes in BBBC006's naming.")
@click.option("--focal-plane", type=int, default=16, show_default=True)
@click.option(
    "--stacks",
    type=FILES,
    help="FOLDER holds the planes of this table: image, stack, position, focus; see the manual.",
)
@click.option("--seed", type=int, default=0, show_default=True)
@model_option
@options_of("engine", EngineOptions)
@options_of("options", FocusOptions)
def evaluate(
    folder: Path,
    output: Path,
    split: Optional[Path],
    z_planes: bool,
    focal_plane: int,
    stacks: Optional[Path],
    seed: int,
    model: Optional[str],
    engine: EngineOptions,
    options: FocusOptions,
) -> None:
    """Measure accuracy and calibration on images of known defocus.

    FOLDER holds in-focus images, each of which is defocused to every level. With --z-planes or
    --stacks it holds real planes; --stacks compares the model with classical measures of focus.
    """
    from focusqual.evaluation import evaluate as evaluation
    from focusqual.inference.model import load_model
    from micrograph_networks.images.image_files import list_images
    from micrograph_networks.training.split import read_part

    if sum(map(bool, (split, z_planes, stacks))) > 1:
        raise UserError("Give only one of --split, --z-planes and --stacks.")
    if stacks:
        _evaluate_stacks(folder, stacks, output, load_model(model, engine), options)
        return
    loaded = load_model(model, engine)
    if z_planes:
        planes = evaluation.z_planes(folder, focal_plane)
        measured = [
            evaluation.measure_plane(path, level, loaded, options)
            for path, level in tqdm(planes, unit="image", disable=None)
        ]
    else:
        paths = list_images([folder])
        if split:
            chosen = read_part(split, "test")
            paths = [path for path in paths if path.name in chosen]
            if not paths:
                raise UserError(f"{folder} holds none of the test images of {split}.")
        measured = [
            image
            for path in tqdm(paths, unit="image", disable=None)
            for image in evaluation.measure_synthetic(path, loaded, options, seed)
        ]
    _write_evaluation(output_folder(output), measured, loaded, options)


def _evaluate_stacks(
    folder: Path, table: Path, output: Path, model: "FocusModel", options: FocusOptions
) -> None:
    """Write and print how the model and the classical measures do on stacks."""
    from focusqual.evaluation import plots, stacks

    planes = stacks.read_planes(folder, table)
    written = output_folder(output)
    measured = [
        stacks.measure_plane(plane, model, options)
        for plane in tqdm(planes, unit="image", disable=None)
    ]
    with csv_table(written / "planes.csv", stacks.PLANE_COLUMNS) as rows:
        rows.writerows(map(stacks.plane_row, measured))
    with csv_table(written / "stacks.csv", stacks.STACK_COLUMNS) as rows:
        for members in stacks.by_stack(measured):
            rows.writerows(map(stacks.stack_row, stacks.stack_figures(members)))
    compared = stacks.compare(measured)
    with csv_table(written / "evaluation.csv", stacks.FIGURES) as rows:
        rows.writerows(row.values() for row in compared)
    plots.draw_stacks(written / "stacks.png", measured)
    for line in stacks.lines(compared):
        click.echo(line)
    click.echo(f"Tables and pictures: {written}")


def _write_evaluation(
    folder: Path, measured: Sequence["MeasuredImage"], model: "FocusModel", options: FocusOptions
) -> None:
    import numpy as np

    from focusqual.evaluation import evaluate as evaluation
    from focusqual.evaluation import plots
    from focusqual.inference import tables

    accuracy = evaluation.accuracy(measured, options)
    with csv_table(folder / "evaluation.csv", ["figure", "value"]) as rows:
        rows.writerows(accuracy.items())
    with csv_table(folder / "images.csv", ["image", "level", *tables.FOCUS_COLUMNS[1:]]) as rows:
        for image in measured:
            name, *values = tables.focus_row(image.name, image.measurement, model)
            rows.writerow([name, image.level, *values])
    levels = np.array([image.level for image in measured])
    scores = np.array([image.measurement.summary["score"] for image in measured])
    known = np.isfinite(scores)
    plots.draw_confusion(
        folder / "confusion_images.png", levels[known], scores[known].astype(int), "Images"
    )
    probabilities, patch_levels = evaluation.foreground(measured)
    if len(patch_levels):
        plots.draw_confusion(
            folder / "confusion_patches.png",
            patch_levels,
            probabilities.argmax(axis=1),
            "Foreground patches",
        )
        plots.draw_reliability(
            folder / "reliability.png",
            probabilities,
            patch_levels,
            accuracy["foreground_expected_calibration_error"],
        )
    for name, value in accuracy.items():
        click.echo(f"{name:45} {value:.4g}")
    click.echo(f"Tables and pictures: {folder}")
