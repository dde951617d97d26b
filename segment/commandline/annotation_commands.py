"""The commands that make data sets: convert-masks and scenes."""

from pathlib import Path
from typing import Tuple

import click

from micrograph_networks.commandline.commands import (
    FILES,
    each_image,
    example,
    exit_if_incomplete,
    output_option,
    prepare_outputs,
    seed_option,
)
from micrograph_networks.commandline.images import InputImage, input_images
from micrograph_networks.files.ownership import IMAGE, remove_earlier
from micrograph_networks.files.tables import csv_table
from micrograph_networks.progress import counted, follow
from segment.commandline.options import classes_option


@click.command(
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
@classes_option
@click.option(
    "--color",
    "colors",
    multiple=True,
    show_default="gray values are class indices",
    help="Gray value or color of a class in the given masks, as NAME=VALUE or NAME=RED,GREEN,BLUE "
    "of 0 to 65535; repeat it for each class. Black is the background.",
)
@click.option(
    "--keep",
    "kept",
    multiple=True,
    show_default="write class indices",
    help="Class to write as 255, all others as 0; may be repeated.",
)
def convert_masks(
    masks: Tuple[Path, ...],
    output: Path,
    classes: Tuple[str, ...],
    colors: Tuple[str, ...],
    kept: Tuple[str, ...],
) -> None:
    """Convert masks to class indices, or to 0 and 255, and write them as PNG.

    Folders are searched with their subfolders. If a mask has a pixel of an unknown value, the
    command reports it, converts the others, and exits with 1. It replaces masks that it wrote, but
    no others: OUTPUT is another folder than that of the masks.
    """
    from micrograph_networks.images.image_files import write_png
    from segment.annotations.masks import black_and_white, palette, recoded

    known = palette(classes, colors)
    if kept:
        known = black_and_white(known, classes, kept)
    found = input_images(masks, output, takes_results=True)
    paths = {one.stem: output / f"{one.stem}.png" for one in found}
    prepare_outputs(output, list(paths.values()))

    def convert(one: InputImage) -> None:
        write_png(paths[one.stem], recoded(one.plane.read(), known), IMAGE)

    done = len(list(each_image(found, convert)))
    click.echo(f"Converted {done} of {len(found)} masks: {output}")
    exit_if_incomplete(done, found)


@click.command(epilog=example("segment-darkfield scenes --output drawn --count 8"))
@output_option("images and masks")
@click.option("--count", type=click.IntRange(1), default=8, help="Number of scenes.")
@seed_option("Seed of the scenes: equal seeds give equal scenes.")
def scenes(output: Path, count: int, seed: int) -> None:
    """Draw dark-field scenes with true masks, for trials.

    OUTPUT holds images/, masks/ of class indices, and data.csv, a table for 'evaluate' that also
    lists the numbers of cells and spirochaetes in each scene.
    """
    import numpy as np

    from micrograph_networks.images.image_files import write_png
    from segment.annotations.dataset import COLUMNS
    from segment.simulation.scenes import darkfield_scene

    numbers = range(1, count + 1)
    images = [f"images/scene_{number:02}.png" for number in numbers]
    masks = [f"masks/scene_{number:02}_mask.png" for number in numbers]
    names = (*images, *masks, "data.csv")
    folder = prepare_outputs(output, [output / name for name in names], ["scene_*.png"])
    rng = np.random.default_rng(seed)
    with csv_table(folder / "data.csv", [*COLUMNS, "cells", "spirochaetes"]) as table:
        for image, mask in follow(list(zip(images, masks)), "scene"):
            scene = darkfield_scene(rng)
            write_png(folder / image, scene.image, IMAGE)
            write_png(folder / mask, scene.classes, IMAGE)
            table.writerow([image, mask, scene.cells, scene.spirochaetes])
    remove_earlier()
    click.echo(f"Drew {counted(count, 'scene')}: {folder / 'data.csv'}")
