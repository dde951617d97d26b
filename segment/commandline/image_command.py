"""The command that segments images."""

from pathlib import Path
from typing import List, Optional, Sequence, Tuple

import click

from micrograph_networks.commandline.commands import (
    each_image,
    example,
    exit_if_incomplete,
    format_option,
    images_argument,
    mask_option,
    model_option,
    output_option,
    prepare_outputs,
    suffix_option,
)
from micrograph_networks.commandline.images import InputImage, find_masks, input_images, read_mask
from micrograph_networks.commandline.options import options_of
from micrograph_networks.engines import EngineOptions
from micrograph_networks.errors import UserError
from micrograph_networks.files.ownership import remove_earlier
from micrograph_networks.files.tables import table
from segment.classes import NOTHING, PixelClass
from segment.inference.options import SegmentationOptions

MOST_OBJECTS = 65535
"""Maximum number of objects of a class, the largest number in a 16-bit label image."""


@click.command(
    epilog=example(
        "segment-darkfield predict slide1 --output found\n"
        "segment-darkfield predict field.tif --output found --cell-diameter 35 --discard-border"
    )
)
@images_argument
@output_option("tables and pictures")
@suffix_option
@mask_option
@format_option
@model_option
@options_of("engine", EngineOptions)
@options_of("options", SegmentationOptions)
def predict(
    images: Tuple[Path, ...],
    output: Path,
    suffix: str,
    mask: Optional[Path],
    file_format: str,
    model: Optional[str],
    engine: EngineOptions,
    options: SegmentationOptions,
) -> None:
    """Segment images and write cells.csv, images.csv, class and label images, and overlays.

    cells.csv has a row per object, and images.csv a row per image, also of images without objects.

    STEM_classes.png holds the class index of each pixel: 0 for background, 1 for blood cells and 2
    for spirochaetes. STEM_blood_cell.tif and STEM_spirochaete.tif are label images.
    STEM_uncertainty.png is the entropy of the probabilities: 0 is certain, and 255 means that all
    classes are equally probable. STEM_overlay.png shows the image with the outlines and numbers of
    the objects. Models of other classes write files of other names.

    Folders are searched with their subfolders, and pictures are written into subfolders of OUTPUT
    of the same names. Files of an earlier run in OUTPUT are replaced; other files never are.
    Images that cannot be read are named and skipped; the exit code is then 1.
    """
    import numpy as np

    from micrograph_networks.images.image_files import write_png, write_tiff
    from micrograph_networks.images.planes import position_columns, position_values
    from segment.inference.evidence import JUDGED
    from segment.inference.model import load_model
    from segment.inference.picture import name_objects, overlay
    from segment.inference.segmentation import segment_image
    from segment.inference.tables import OBJECT_COLUMNS, image_columns, image_row, object_rows

    found = input_images(images, output, mask)
    masks = find_masks(mask, found)
    positions = position_columns([one.plane for one in found])
    loaded = load_model(model, engine)
    path, images_path = (output / f"{name}{suffix}.{file_format}" for name in ("cells", "images"))
    ends = _name_ends(loaded.classes, suffix)
    pictures = [output / f"{one.stem}{end}" for one in found for end in ends]
    prepare_outputs(output, [path, images_path, *pictures], [f"*{end}" for end in ends])

    def segment(one: InputImage) -> Tuple[List[object], List[List[object]]]:
        image = one.plane.read()
        if not np.isfinite(image).any():
            raise UserError("All pixels are NaN or infinite, so nothing can be found in it.")
        result = segment_image(image, loaded, read_mask(masks, one), options)
        most = max(len(objects.means) for objects in result.by_class)
        if most > MOST_OBJECTS:
            raise UserError(
                f"{most} objects are more than the {MOST_OBJECTS} that a 16-bit image can number: "
                "cut the image into parts, or raise --minimum-area."
            )
        rows = list(object_rows(one.plane.name, result, loaded))
        row = image_row(one.plane.name, result, loaded)
        classes = result.classes
        uncertainty = np.rint(255 * result.uncertainty).astype(np.uint8)
        labels = [(objects.labels, objects.pixel_class) for objects in result.by_class]
        del result  # the probabilities of a large image take most of the memory
        paths = [output / f"{one.stem}{end}" for end in ends]
        classes_png, uncertainty_png, overlay_png, *label_tifs = paths
        write_png(classes_png, classes)
        write_png(uncertainty_png, uncertainty)
        outlined = overlay(image, [(numbers, one.color) for numbers, one in labels])
        write_png(overlay_png, name_objects(outlined, labels))
        for label_tif, (numbers, _) in zip(label_tifs, labels):
            write_tiff(label_tif, numbers.astype("uint16"))
        return row, rows

    done = 0
    place = ("folder", *positions)
    with table(path, [*OBJECT_COLUMNS, *place]) as objects, table(
        images_path, [*image_columns(loaded.classes), "pictures", *place]
    ) as rows_of_images:
        for one, (of_image, rows) in each_image(found, segment):
            done += 1
            position = one.folder, *position_values(one.plane, positions)
            objects.writerows([*row, *position] for row in rows)
            rows_of_images.writerow([*of_image, one.stem, *position])
    remove_earlier()
    if loaded.evidence is None and JUDGED in [one.name for one in loaded.classes]:
        click.echo(
            f"{loaded.name} has no fit for probabilities of spirochaetes: presence_probability and "
            "spirochaete_probability are empty."
        )
    click.echo(f"Segmented {done} of {len(found)} images: {images_path}")
    exit_if_incomplete(done, found)


def _name_ends(classes: Sequence[PixelClass], suffix: str) -> List[str]:
    """Return the ends of the names of an image's pictures, in the order in which they follow."""
    labels = [f"_{one.in_names}{suffix}.tif" for one in classes if one.kind != NOTHING]
    pictures = [f"_{name}{suffix}.png" for name in ("classes", "uncertainty", "overlay")]
    return pictures + labels
