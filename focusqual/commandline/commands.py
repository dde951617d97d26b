"""The command line: every command reads its arguments, calls the core, and writes files."""

import collections
import functools
import os
import shlex
import sys
from pathlib import Path

import click
from tqdm import tqdm

from focusqual.inference.model import SHIPPED
from micrograph_networks.commandline.commands import (
    FILES,
    SETTINGS,
    Commands,
    each_image,
    example,
    models_command,
    run_folder,
    unique_stems,
)
from micrograph_networks.errors import UserError
from micrograph_networks.files.tables import csv_table
from micrograph_networks.files.writing import output_folder


def _rating_options(command):
    """Options that all commands share that rate images."""
    from focusqual.inference.rating import AGGREGATIONS, RatingOptions

    default = RatingOptions()
    for option in (
        click.option("--weights", type=FILES, help="Weights file; the shipped one by default."),
        click.option(
            "--out-of-focus-from",
            type=click.IntRange(1, 10),
            default=default.out_of_focus_from,
            show_default=True,
            help="Level from which a patch or image counts as out of focus.",
        ),
        click.option(
            "--uncertain-below",
            type=click.FloatRange(0, 1),
            default=default.uncertain_below,
            show_default=True,
            help="Certainty below which a patch counts as uncertain.",
        ),
        click.option(
            "--aggregation",
            type=click.Choice(AGGREGATIONS),
            default=default.aggregation,
            show_default=True,
            help="How patches make up the image: mean weighted by certainty, or product.",
        ),
        click.option(
            "--scale",
            type=click.FloatRange(0.01, 100),
            default=default.scale,
            show_default=True,
            help="Resize images by this factor first.",
        ),
        click.option(
            "--stride",
            type=click.IntRange(1, default.stride),
            default=default.stride,
            show_default=True,
            help="Pixels from one patch to the next.",
        ),
    ):
        command = option(command)
    return command


def _options(stride, scale, aggregation, uncertain_below, out_of_focus_from):
    from focusqual.inference.rating import RatingOptions

    return RatingOptions(stride, scale, aggregation, uncertain_below, out_of_focus_from)


@click.group(cls=Commands, context_settings=SETTINGS)
@click.version_option(package_name="cellprofiler-tf-modules")
def main():
    """Rate the focus of microscope images patch by patch.

    Level 0 is in focus; each further level, up to 10, is about 3 pixels more of blur diameter.
    """


main.add_command(models_command("focusqual", SHIPPED))


@main.command(
    epilog=example(
        "focusqual predict plate1/*.tif --output rated\n"
        "focusqual predict image.png --output rated --stride 42"
    )
)
@click.argument("images", nargs=-1, required=True, type=FILES)
@click.option("--output", required=True, type=FILES, help="Folder for tables and pictures.")
@_rating_options
def predict(images, output, weights, **rating):
    """Rate images and write focus.csv, patches.csv and annotated pictures.

    An image that cannot be read is named, the others are rated all the same, and the exit code
    is 1.
    """
    from focusqual.inference import tables
    from focusqual.inference.model import load_model

    options = _options(**rating)
    unique_stems(images)
    folder = output_folder(output)
    load_model(weights)  # a wrong weights file is the fault of no image
    done = colour = 0
    with (
        csv_table(folder / "focus.csv", tables.FOCUS_COLUMNS) as focus,
        csv_table(folder / "patches.csv", tables.PATCH_COLUMNS) as patches,
    ):
        rate = functools.partial(_predict_image, folder, options, weights)
        for path, (image, rated) in each_image(images, rate):
            done += 1
            colour += image.ndim == 3
            focus.writerow(tables.focus_row(path.name, rated))
            patches.writerows(tables.patch_rows(path.name, rated))
    click.echo(f"Rated {done} of {len(images)} images: {folder / 'focus.csv'}")
    if colour:
        click.echo(f"{colour} of them in colour, as their luma (0.299 R + 0.587 G + 0.114 B).")
    if done < len(images):
        raise click.exceptions.Exit(1)


def _predict_image(folder, options, weights, path):
    from focusqual.inference.picture import annotate
    from focusqual.inference.rating import rate_focus
    from micrograph_networks.images.image_files import read_image, write_png

    image = read_image(path)
    rating = rate_focus(image, options=options, weights=weights)
    write_png(folder / f"{path.stem}_focus.png", annotate(image, rating))
    return image, rating


@main.command(
    epilog=example(
        "focusqual degrade image.tif --output blurred --level 3 --level 10\n"
        "focusqual degrade *.png --output dim --level 0 --exposure 0.25 --photons 500"
    )
)
@click.argument("images", nargs=-1, required=True, type=FILES)
@click.option("--output", required=True, type=FILES, help="Folder for the degraded images.")
@click.option(
    "--level",
    "levels",
    type=click.FloatRange(0, 20),
    multiple=True,
    required=True,
    help="Defocus in levels of 2 micrometres; may be given several times.",
)
@click.option("--exposure", type=click.FloatRange(0, 1000), default=1.0, show_default=True)
@click.option("--offset", type=float, default=0.0, help="Grey level of the camera without light.")
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
def degrade(images, output, levels, exposure, offset, photons, seed, **optics):
    """Defocus images as a microscope would, and change their exposure.

    Writes STEM_levelK.tif with the bit depth of the input; values above its range saturate.
    """
    from focusqual.simulation.degradation import degrade as degrade_image
    from focusqual.simulation.optics import Optics
    from micrograph_networks.images.image_files import read_grey, write_tiff

    folder = output_folder(output)
    unique_stems(images)
    jobs = [(path, level) for path in images for level in levels]
    for path, level in tqdm(jobs, unit="image", disable=None):
        image = degrade_image(
            read_grey(path), level, Optics(**optics), exposure, offset, photons, seed
        )
        write_tiff(folder / f"{path.stem}_level{level:g}.tif", image)


@main.command(epilog=example("focusqual summarize rated/focus.csv --output rated"))
@click.argument("table", type=FILES)
@click.option("--output", required=True, type=FILES, help="Folder for the pictures.")
def summarize(table, output):
    """Draw a histogram of the scores of a focus.csv, and a plate map where names hold wells."""
    import numpy as np

    from focusqual.evaluation import plots

    names, scores = _read_scores(table)
    folder = output_folder(output)
    pictures = [folder / "scores.png"]
    plots.score_histogram(pictures[0], scores)
    wells = [plots.well_of(name) for name in names]
    inside = np.array([well is not None for well in wells])
    if inside.any():
        pictures.append(folder / "plate.png")
        plots.plate_map(pictures[1], [well for well in wells if well], scores[inside])
    click.echo("Wrote " + " and ".join(map(str, pictures)))


def _read_scores(table):
    import pandas as pd

    try:
        rows = pd.read_csv(table, dtype={"image": str, "score": float})
        names, scores = list(rows["image"]), rows["score"].to_numpy()
    except FileNotFoundError:
        raise UserError(f"{table} does not exist: check the path.") from None
    except (OSError, KeyError, ValueError):
        raise UserError(
            f"{table} has no columns image and score: give a focus.csv of 'focusqual predict'."
        ) from None
    if not names:
        raise UserError(f"{table} holds no image: rate some first.")
    return names, scores


@main.command(epilog=example("focusqual validate plate1/*.tif"))
@click.argument("images", nargs=-1, required=True, type=FILES)
def validate(images):
    """Check that images can be rated, and name every fault; exit with 1 if there is one.

    Faults: unreadable, a stack, smaller than a patch, constant, NaN or infinite pixels, or more
    than 1% of the pixels saturated.
    """
    from focusqual.commandline.image_faults import faults

    faulty = 0
    for path in tqdm(images, unit="image", disable=None):
        found = faults(path)
        faulty += bool(found)
        for fault in found:
            tqdm.write(fault)
    click.echo(f"{len(images) - faulty} of {len(images)} images are in order.")
    if faulty:
        raise click.exceptions.Exit(1)


@main.command(
    epilog=example(
        "focusqual train nuclei/ actin/ --output run1\n"
        "focusqual train mine/ --output run2 --initial run1/focus.h5 --learning-rate 1e-3"
    )
)
@click.argument("folders", nargs=-1, required=True, type=FILES)
@click.option("--output", required=True, type=FILES, help="Folder of the run.")
@click.option("--epochs", type=click.IntRange(1), default=40, show_default=True)
@click.option(
    "--steps", type=click.IntRange(1), default=200, show_default=True, help="Batches an epoch."
)
@click.option(
    "--learning-rate", type=click.FloatRange(0, 1, min_open=True), default=2e-3, show_default=True
)
@click.option("--initial", type=FILES, help="Weights file to start from; random by default.")
@click.option("--licence", default="", help="Of the images, to be kept in the weights file.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--workers", type=click.IntRange(1), default=os.cpu_count(), show_default=True)
def train(folders, output, initial, licence, workers, **schedule):
    """Train a network on folders of in-focus images and write OUTPUT/focus.h5.

    Images are divided into training, validation and test by groups of near duplicates, and those
    that look out of focus are left out; split.csv says which. A run that was stopped goes on
    from its last epoch when the same command is given again.
    """
    from focusqual.evaluation import plots
    from focusqual.inference.model import read_focus_weights
    from focusqual.training import in_focus_images as dataset
    from focusqual.training import train as training
    from focusqual.training.sampling import clean
    from micrograph_networks.images.image_files import read_grey
    from micrograph_networks.training.log import read_log

    start = read_focus_weights(initial) if initial else None
    schedule = training.Schedule(**schedule)
    folder = run_folder(output)
    records = dataset.split(dataset.list_images(folders), schedule.seed)
    dataset.write_split(folder / "split.csv", records)
    parts = {
        part: [clean(read_grey(r.path)) for r in records if r.part == part]
        for part in ("train", "validation")
    }
    counts = collections.Counter(record.part for record in records)
    click.echo(", ".join(f"{count} {part} images" for part, count in counts.items()))
    about = {
        "training_data": [Path(given).resolve().name for given in folders],
        "training_data_licence": licence,
        "training_command": shlex.join(["focusqual", *sys.argv[1:]]),
    }
    path = training.train(folder, parts, schedule, workers, about, start)
    plots.training_curves(folder / "training.png", read_log(folder / training.LOG))
    click.echo(f"Wrote {path}")


@main.command(
    epilog=example(
        "focusqual evaluate nuclei/ --split run1/split.csv --output scores\n"
        "focusqual evaluate BBBC006/ --z-planes --output scores"
    )
)
@click.argument("folder", type=FILES)
@click.option("--output", required=True, type=FILES, help="Folder for tables and pictures.")
@click.option("--split", type=FILES, help="Only the test images of this split.csv of a training.")
@click.option("--z-planes", is_flag=True, help="FOLDER holds z-planes in BBBC006's naming.")
@click.option("--focal-plane", type=int, default=16, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@_rating_options
def evaluate(folder, output, split, z_planes, focal_plane, seed, weights, **rating):
    """Measure accuracy and calibration on images of known defocus.

    Without --z-planes, FOLDER holds in-focus images, each of which is defocused to every level.
    """
    from focusqual.evaluation import evaluate as evaluation
    from focusqual.training import in_focus_images as dataset
    from micrograph_networks.training.split import read_part

    options = _options(**rating)
    if z_planes:
        jobs = [
            (evaluation.rate_plane, (path, level, options, weights))
            for path, level in evaluation.z_planes(folder, focal_plane)
        ]
        rated = [rate(*given) for rate, given in tqdm(jobs, unit="image", disable=None)]
    else:
        paths = dataset.list_images([folder])
        if split:
            chosen = read_part(split, "test")
            paths = [path for path in paths if path.name in chosen]
            if not paths:
                raise UserError(f"{folder} holds none of the test images of {split}.")
        rated = [
            image
            for path in tqdm(paths, unit="image", disable=None)
            for image in evaluation.rate_synthetic(path, options, weights, seed)
        ]
    _write_evaluation(output_folder(output), rated, options)


def _write_evaluation(folder, rated, options):
    import numpy as np

    from focusqual.evaluation import evaluate as evaluation
    from focusqual.evaluation import plots
    from focusqual.inference import tables

    figures = evaluation.figures(rated, options)
    with csv_table(folder / "evaluation.csv", ["figure", "value"]) as rows:
        rows.writerows(figures.items())
    with csv_table(folder / "images.csv", ["image", "level", *tables.FOCUS_COLUMNS[1:]]) as rows:
        for image in rated:
            name, *values = tables.focus_row(image.name, image.rating)
            rows.writerow([name, image.level, *values])
    levels = np.array([image.level for image in rated])
    scores = np.array([image.rating.summary["score"] for image in rated])
    known = np.isfinite(scores)
    plots.confusion_matrix(
        folder / "confusion_images.png", levels[known], scores[known].astype(int), "Images"
    )
    probabilities, patch_levels = evaluation.foreground(rated)
    if len(patch_levels):
        plots.confusion_matrix(
            folder / "confusion_patches.png",
            patch_levels,
            probabilities.argmax(axis=1),
            "Foreground patches",
        )
        plots.reliability_diagram(
            folder / "reliability.png",
            probabilities,
            patch_levels,
            figures["foreground_expected_calibration_error"],
        )
    for name, value in figures.items():
        click.echo(f"{name:45} {value:.4g}")
    click.echo(f"Tables and pictures: {folder}")
