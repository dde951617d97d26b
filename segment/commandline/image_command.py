"""The command that segments images."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING, List, Optional, Tuple

import click

from micrograph_networks.commandline.commands import (
    check_unique_stems,
    each_image,
    example,
    exit_if_incomplete,
    format_option,
    images_argument,
    intensity_range_option,
    model_option,
    output_option,
)
from micrograph_networks.commandline.options import options_of
from micrograph_networks.engines import EngineOptions
from micrograph_networks.errors import UserError
from micrograph_networks.files.tables import table
from micrograph_networks.files.writing import output_folder
from micrograph_networks.images.intensities import IntensityRange
from segment.inference.options import SegmentationOptions

if TYPE_CHECKING:
    from micrograph_networks.images.planes import Plane
    from segment.inference.model import SegmentationModel

MOST_OBJECTS = 65535
"""Maximum number of objects of a class, the largest number in a 16-bit label image."""


@click.command(
    epilog=example(
        "segment-darkfield predict slide1/*.png --output found\n"
        "segment-darkfield predict field.tif --output found --cell-diameter 35 --discard-border"
    )
)
@images_argument
@output_option("tables and pictures")
@format_option
@intensity_range_option
@model_option
@options_of("engine", EngineOptions)
@options_of("options", SegmentationOptions)
def predict(
    images: Tuple[Path, ...],
    output: Path,
    suffix: str,
    intensity_range: IntensityRange,
    model: Optional[str],
    engine: EngineOptions,
    options: SegmentationOptions,
) -> None:
    """Segment images and write cells.csv, class images, label images and overlays.

    STEM_classes.png holds the class index of each pixel: 0 for background, 1 for blood cells and 2
    for spirochaetes. STEM_blood_cell.tif and STEM_spirochaete.tif are label images.
    STEM_overlay.png shows the outlines on the image. Models of other classes write files of other
    names. If an image cannot be read, the command reports it, segments the others, and exits
    with 1.
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
        segment = functools.partial(_predict_image, folder, loaded, options, intensity_range)
        for plane, rows in each_image(planes, segment):
            done += 1
            objects.writerows([*row, *position_values(plane, positions)] for row in rows)
    click.echo(f"Segmented {done} of {len(planes)} images: {folder / f'cells.{suffix}'}")
    exit_if_incomplete(done, planes)


def _predict_image(
    folder: Path,
    model: "SegmentationModel",
    options: SegmentationOptions,
    intensity_range: IntensityRange,
    plane: "Plane",
) -> List[List[object]]:
    """Segment an image, write its pictures, and return the rows of its objects."""
    from micrograph_networks.images.image_files import write_png, write_tiff
    from segment.inference.picture import overlay
    from segment.inference.segmentation import segment_image
    from segment.inference.tables import object_rows

    image = plane.read_intensities(intensity_range)
    found = segment_image(image, model, options=options)
    most = max(len(one.means) for one in found.by_class)
    if most > MOST_OBJECTS:
        raise UserError(
            f"{most} objects are more than the {MOST_OBJECTS} that a 16-bit image can number: "
            "cut the image into parts, or raise --minimum-area."
        )
    rows = list(object_rows(plane.name, found, model))
    labels, classes = [(one.pixel_class, one.labels) for one in found.by_class], found.classes
    del found  # the probabilities of a large image take most of the memory
    write_png(folder / f"{plane.stem}_classes.png", classes)
    for described, numbers in labels:
        write_tiff(folder / f"{plane.stem}_{described.in_names}.tif", numbers.astype("uint16"))
    picture = overlay(image, [(numbers, described.color) for described, numbers in labels])
    write_png(folder / f"{plane.stem}_overlay.png", picture)
    return rows
