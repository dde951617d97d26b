"""The command line: every command reads its arguments, calls the core, and writes files."""

import functools

import click

from tfcore.commands import FILES, SETTINGS, Commands, each_image, example, unique_stems
from tfcore.files import output_folder
from tfcore.tables import csv_table


def _segmentation_options(command):
    """Options that all commands share that segment images."""
    from segment.segmentation import SegmentationOptions

    default = SegmentationOptions()
    for option in (
        click.option("--weights", type=FILES, help="Weights file; the shipped one by default."),
        click.option(
            "--threshold",
            type=click.FloatRange(0, 1, min_open=True, max_open=True),
            default=default.threshold,
            show_default=True,
            help="Probability from which a pixel belongs to a cell or spirochaete.",
        ),
        click.option(
            "--cell-diameter",
            type=click.FloatRange(1),
            help="Typical diameter of a blood cell in pixels; by default the image's longer side "
            "is brought to that of the training images.",
        ),
        click.option(
            "--no-separate", is_flag=True, help="Leave cells that touch each other as one object."
        ),
        click.option(
            "--minimum-area",
            type=click.IntRange(0),
            default=default.minimum_area,
            show_default=True,
            help="Smallest cell kept, in pixels.",
        ),
        click.option("--discard-border", is_flag=True, help="Leave out cells at the border."),
    ):
        command = option(command)
    return command


def _options(no_separate, **given):
    from segment.segmentation import SegmentationOptions

    return SegmentationOptions(separate_touching=not no_separate, **given)


@click.group(cls=Commands, context_settings=SETTINGS)
@click.version_option(package_name="cellprofiler-tf-modules")
def main():
    """Find blood cells and spirochaetes in dark-field images."""


@main.command(
    epilog=example(
        "segment-darkfield predict slide1/*.png --output found\n"
        "segment-darkfield predict field.tif --output found --cell-diameter 35 --discard-border"
    )
)
@click.argument("images", nargs=-1, required=True, type=FILES)
@click.option("--output", required=True, type=FILES, help="Folder for tables and pictures.")
@_segmentation_options
def predict(images, output, weights, **given):
    """Segment images and write cells.csv, class images, label images and overlays.

    STEM_classes.png holds 0 for background, 1 for blood cells and 2 for spirochaetes,
    STEM_cells.tif a number for every cell, STEM_overlay.png the outlines on the image. An image
    that cannot be read is named, the others are segmented all the same, and the exit code is 1.
    """
    from segment.model import load_model
    from segment.output import write_results
    from segment.tables import OBJECT_COLUMNS

    options = _options(**given)
    unique_stems(images)
    folder = output_folder(output)
    load_model(weights)  # a wrong weights file is the fault of no image
    done = 0
    with csv_table(folder / "cells.csv", OBJECT_COLUMNS) as objects:
        segment = functools.partial(write_results, folder, options, weights)
        for _, rows in each_image(images, segment):
            done += 1
            objects.writerows(rows)
    click.echo(f"Segmented {done} of {len(images)} images: {folder / 'cells.csv'}")
    if done < len(images):
        raise click.exceptions.Exit(1)
