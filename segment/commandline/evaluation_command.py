"""The command that compares segmentations with masks."""

import functools
import operator
from pathlib import Path
from typing import TYPE_CHECKING, List, Optional, Tuple

import click

from micrograph_networks.commandline.commands import (
    FILES,
    example,
    model_option,
    output_option,
    prepare_outputs,
)
from micrograph_networks.commandline.options import options_of
from micrograph_networks.engines import EngineOptions
from micrograph_networks.files.ownership import remove_earlier
from micrograph_networks.files.tables import csv_table, number
from micrograph_networks.progress import follow
from micrograph_networks.training.split import PARTS
from segment.commandline.options import table_option
from segment.inference.options import SegmentationOptions

if TYPE_CHECKING:
    from segment.evaluation.evaluate import Counts, Evaluated

PICTURES = 10
"""Number of images with the lowest scores that are drawn."""


@click.command(
    epilog=example(
        "segment-darkfield evaluate --csv data.csv --split run1/split.csv --output scores\n"
        "segment-darkfield evaluate --csv other.csv --model run1/darkfield.h5 --output scores"
    )
)
@table_option
@output_option("tables and pictures")
@click.option(
    "--split",
    type=FILES,
    show_default="all images",
    help="The split.csv of a training, to evaluate only the images of one part.",
)
@click.option(
    "--part",
    type=click.Choice(PARTS),
    default="test",
    help="Part of the split to evaluate.",
)
@click.option(
    "--class",
    "classes",
    multiple=True,
    show_default="the classes of the model",
    help="Name of a class in the masks, in the order of their indices; repeat it for each class. "
    "Pixels of classes that the model does not have count as background.",
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

    The scores of a class are computed over all pixels of all images together. Objects are matched
    one to one: isolated cells if their IoU is at least 0.5, and filaments, such as spirochaetes,
    if at least half of each skeleton is within 4 pixels of the other. Cells that touch in the
    masks are not judged. Metrics whose names begin with 'filamentous' ignore round and short
    filaments in the masks. OUTPUT holds evaluation.csv, images.csv with a row per image, and
    pictures of the images with the lowest IoU: the image, true outlines, found outlines.
    """
    from micrograph_networks.images.image_files import read_image, write_png
    from segment.evaluation.evaluate import comparison, evaluate_pair, metrics, pairs_of
    from segment.inference.model import load_model

    loaded = load_model(model, engine)
    pairs = pairs_of(csv, split, part)
    tables = [output / name for name in ("images.csv", "evaluation.csv")]
    prepare_outputs(output, tables, ["worst[0-9][0-9]_*.png"])
    counts: List[Counts] = []
    worst: List[Evaluated] = []
    for pair in follow(pairs, "image"):
        found = evaluate_pair(pair, loaded, options, classes)
        counts.append(found.counts)
        worst = sorted([*worst, found], key=operator.attrgetter("mean_iou"))[:PICTURES]
    total = metrics(functools.reduce(operator.add, counts), loaded.classes)
    pictures = [
        output / f"worst{rank:02}_{bad.pair.image.stem}.png" for rank, bad in enumerate(worst, 1)
    ]
    prepare_outputs(output, [*tables, *pictures])
    for path, bad in zip(pictures, worst):
        image = read_image(bad.pair.image)
        write_png(path, comparison(image, bad.truth, bad.classes, loaded.classes))
    with csv_table(tables[0], ["image", *total]) as images:
        for pair, one in zip(pairs, counts):
            values = metrics(one, loaded.classes).values()
            images.writerow([pair.name, *map(number, values)])
    with csv_table(tables[1], ["metric", "value"]) as rows:
        for name, value in {"images": len(pairs), **total}.items():
            rows.writerow([name, value])
            click.echo(f"{name:36} {number(value)}")
    remove_earlier()
    click.echo(f"Tables and pictures of the worst images: {output}")
