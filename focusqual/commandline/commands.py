"""The command line: commands that measure images and report the measurements.

The commands that train and evaluate models are in training_commands.py, those that find the focus
that an assay needs in assay_commands.py.
"""

import dataclasses
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Dict, List, Optional, Tuple

import click
from click.core import ParameterSource
from tqdm import tqdm

from focusqual.commandline.assay_commands import threshold, tolerance
from focusqual.commandline.optics import ImageOptions
from focusqual.commandline.training_commands import (
    evaluate,
    evaluate_planes,
    evaluate_stacks,
    measurement_options,
    train,
)
from focusqual.inference.network import NETWORKS
from focusqual.inference.options import PictureOptions
from focusqual.levels import STANDARD_OPTICS
from focusqual.report.options import Thresholds
from micrograph_networks.commandline.commands import (
    FILES,
    SETTINGS,
    Commands,
    Number,
    each_image,
    example,
    exit_if_incomplete,
    export_command,
    format_option,
    images_argument,
    mask_option,
    models_command,
    output_option,
    prepare_outputs,
    seed_option,
    suffix_option,
    version_option,
)
from micrograph_networks.commandline.doctor import doctor
from micrograph_networks.commandline.images import InputImage, find_masks, input_images, read_mask
from micrograph_networks.commandline.options import options_of
from micrograph_networks.engines import EngineOptions
from micrograph_networks.errors import UserError
from micrograph_networks.files.ownership import IMAGE, remove_earlier
from micrograph_networks.files.tables import csv_table, table
from micrograph_networks.progress import counted, follow

if TYPE_CHECKING:
    import pandas as pd

    from focusqual.inference.measurement import FocusMeasurement
    from micrograph_networks.export.bioimageio import ZooModel
    from micrograph_networks.images.positions import Position


@click.group("focusqual", cls=Commands, context_settings=SETTINGS)
@version_option(NETWORKS)
def main() -> None:
    """Measure the focus of microscope images patch by patch.

    Defocus is measured in levels: 0 is sharp, 10 is the strongest blur.
    """


table_argument = click.argument("measurements", metavar="TABLE", type=FILES)
image_name_option = click.option(
    "--image", help="Name of the images in CellProfiler. Needed if TABLE holds several images."
)

for command in (train, evaluate, evaluate_planes, evaluate_stacks, threshold, tolerance, doctor):
    main.add_command(command)
main.add_command(models_command("focusqual", NETWORKS))


def _zoo_model(model: Optional[str]) -> "ZooModel":
    from focusqual.export.zoo import zoo_model

    return zoo_model(model)


main.add_command(export_command("focusqual", NETWORKS, _zoo_model))


@main.command(
    epilog=example(
        "focusqual predict plate1 --output measured\n"
        "focusqual predict image.png --output measured --stride 42 --format parquet\n"
        "focusqual predict slides --mask tissue --output measured --suffix _tissue"
    )
)
@images_argument
@output_option("tables and pictures")
@suffix_option
@mask_option
@format_option
@click.option(
    "--write-metadata",
    is_flag=True,
    help="Also write the focus of each plane into the attribute 'focusqual' of OME-Zarr images.",
)
@partial(measurement_options, make=ImageOptions)
@options_of("picture", PictureOptions)
def predict(
    images: Tuple[Path, ...],
    output: Path,
    suffix: str,
    mask: Optional[Path],
    file_format: str,
    write_metadata: bool,
    model: Optional[str],
    engine: EngineOptions,
    options: ImageOptions,
    picture: PictureOptions,
) -> None:
    """Measure images and write focus.csv, patches.csv and annotated pictures.

    With '--rescaling objective' the optics of each image are read from its file; options override
    them, or give what the file does not contain. focus.csv has the optics, stage positions and
    times that are known.

    Folders are searched with their subfolders, and pictures are written into subfolders of OUTPUT
    of the same names. Files of an earlier run in OUTPUT are replaced; other files never are.
    Images that cannot be read are named and skipped; the exit code is then 1.
    """
    from focusqual.inference import tables
    from focusqual.inference.model import load_model
    from focusqual.inference.picture import annotate
    from focusqual.inference.prediction import measure_focus
    from micrograph_networks.images.acquisition import column_values, known_columns
    from micrograph_networks.images.image_files import write_png
    from micrograph_networks.images.planes import position_columns, position_values
    from micrograph_networks.images.zarr_folders import write_attribute

    found = input_images(images, output, mask)
    if write_metadata and all(one.plane.group is None for one in found):
        raise UserError("--write-metadata needs an OME-Zarr: leave it out, or give one.")
    masks = find_masks(mask, found)
    options.check(found)
    for note in options.notes(found):
        click.echo(note)
    acquired = known_columns(map(options.acquisition, found))
    positions = position_columns([one.plane for one in found])
    loaded = load_model(model, engine)
    paths = [output / f"{name}{suffix}.{file_format}" for name in ("focus", "patches")]
    pictures = {one.stem: output / f"{one.stem}_focus{suffix}.png" for one in found}
    prepare_outputs(output, [*paths, *pictures.values()], [f"*_focus{suffix}.png"])

    def measure(one: InputImage) -> Tuple[bool, "FocusMeasurement"]:
        image = one.plane.read()
        chosen = options.for_image(one)
        measurement = measure_focus(image, loaded, read_mask(masks, one), chosen)
        write_png(pictures[one.stem], annotate(image, measurement, picture.palette))
        return image.ndim == 3, measurement

    done = color = 0
    columns = [*tables.focus_columns(options.is_objective), "folder", *acquired, *positions]
    focus_table = table(paths[0], columns)
    groups: Dict[Tuple[Path, str], List[Tuple[Position, FocusMeasurement]]] = {}
    patch_table = table(paths[1], [*tables.PATCH_COLUMNS, "folder"])
    with focus_table as focus, patch_table as patches:
        for one, (is_color, measured) in each_image(found, measure):
            done += 1
            color += is_color
            if write_metadata and one.plane.group is not None:
                key = one.plane.path, one.plane.group
                groups.setdefault(key, []).append((one.plane.position, measured))
            row = tables.focus_row(one.plane.name, measured, loaded)
            row += [one.folder, *column_values(options.acquisition(one), acquired)]
            focus.writerow([*row, *position_values(one.plane, positions)])
            for row in tables.patch_rows(one.plane.name, measured):
                patches.writerow([*row, one.folder])
    for (path, group), planes in groups.items():
        attribute = tables.focus_attribute(planes, loaded)
        write_attribute(path.resolve(), group, tables.ATTRIBUTE, attribute)
    remove_earlier()
    click.echo(f"Measured {done} of {len(found)} images: {paths[0]}")
    if color:
        images_in_color = counted(color, "color image")
        click.echo(f"{images_in_color} measured as gray: 0.299 red + 0.587 green + 0.114 blue.")
    exit_if_incomplete(done, found)


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
    type=Number(0, 20),
    multiple=True,
    required=True,
    help="Defocus, in levels of 2 micrometers. Repeat the option for several levels.",
)
@click.option(
    "--exposure",
    type=Number(0, 1000),
    default=1.0,
    help="Ratio of the new to the old exposure.",
)
@click.option(
    "--offset",
    type=Number(-1e15, 1e15),
    default=0.0,
    help="Camera offset: gray level without light.",
)
@click.option(
    "--photons",
    type=Number(1, 1e9),
    show_default="no noise",
    help="Photons in the brightest pixel of the image; adds Poisson noise.",
)
@seed_option("Seed of the noise; the same seed gives the same noise.")
@click.option(
    "--simulated-wavelength",
    "wavelength",
    type=Number(0.2, 2),
    default=STANDARD_OPTICS.wavelength,
    help="Wavelength of the simulated microscope's light, in micrometers.",
)
@click.option(
    "--simulated-numerical-aperture",
    "numerical_aperture",
    type=Number(0.05, 2),
    default=STANDARD_OPTICS.numerical_aperture,
    help="Numerical aperture of the simulated objective.",
)
@click.option(
    "--simulated-refractive-index",
    "refractive_index",
    type=Number(1, 2),
    default=STANDARD_OPTICS.refractive_index,
    help="Refractive index of the simulated objective's immersion medium; 1 is air.",
)
@click.option(
    "--simulated-pixel-size",
    "pixel_size",
    type=Number(0.01, 10),
    default=STANDARD_OPTICS.pixel_size,
    help="Width of a pixel of the simulated microscope in the specimen, in micrometers.",
)
def degrade(
    images: Tuple[Path, ...],
    output: Path,
    levels: Tuple[float, ...],
    exposure: float,
    offset: float,
    photons: Optional[float],
    seed: int,
    **simulated: float,
) -> None:
    """Defocus images as a microscope would, and change their exposure.

    Writes STEM_levelK.tif with the bit depth of the input. Values above its range saturate. Images
    that cannot be read are named and skipped; the exit code is then 1.
    """
    from focusqual.optics import Optics
    from focusqual.simulation.degradation import degrade as degrade_image
    from micrograph_networks.images.image_files import write_tiff

    optics = Optics(**simulated)
    found = input_images(images, output)
    paths = {
        (one.stem, level): output / f"{one.stem}_level{level:g}.tif"
        for one in found
        for level in dict.fromkeys(levels)
    }
    prepare_outputs(output, list(paths.values()))

    def blur(one: InputImage) -> None:
        image = one.plane.read()
        for level in dict.fromkeys(levels):
            degraded = degrade_image(image, level, optics, exposure, offset, photons, seed)
            write_tiff(paths[one.stem, level], degraded, IMAGE)

    done = len(list(each_image(found, blur)))
    click.echo(f"Degraded {done} of {len(found)} images: {output}")
    exit_if_incomplete(done, found)


@main.command(epilog=example("focusqual validate plate1/*.tif"))
@images_argument
def validate(images: Tuple[Path, ...]) -> None:
    """Check that images can be measured, and name every fault. The exit code is 1 if there is one.

    Faults: unreadable, neither gray nor color, smaller than a patch, constant, NaN or infinite
    pixels, or more than 1% of the pixels saturated.
    """
    from focusqual.commandline.image_faults import faults

    faulty = 0
    found = input_images(images)
    for one in follow(found, "image"):
        named = faults(one.plane)
        faulty += bool(named)
        for fault in named:
            tqdm.write(fault)
    click.echo(f"{len(found) - faulty} of {len(found)} images have no fault.")
    if faulty:
        raise click.exceptions.Exit(1)


@main.command(
    epilog=example(
        "focusqual summarize measured/focus.csv --output measured\n"
        "focusqual summarize results/tables/FocusQC_Image.csv --pictures results/batches "
        "--output report"
    )
)
@table_argument
@output_option("the page, the pictures and the list of excluded wells")
@image_name_option
@click.option(
    "--pictures",
    type=FILES,
    help="Folder of the annotated pictures; its subfolders are searched as well.",
    show_default="the folder of TABLE",
)
@click.option(
    "--cutoffs",
    type=FILES,
    help="A cutoffs.csv of 'focusqual threshold': the highest score in focus of each channel.",
)
@options_of("thresholds", Thresholds)
def summarize(
    measurements: Path,
    output: Path,
    image: Optional[str],
    pictures: Optional[Path],
    cutoffs: Optional[Path],
    thresholds: Thresholds,
) -> None:
    """Make an interactive page of a plate, and list the wells to exclude.

    TABLE is a focus.csv or CellProfiler's table of images, such as the merged table of the cluster
    workflow. plate.html shows the findings of 'focusqual audit', the plate, histograms, levels
    against time or position (if TABLE has them) and the worst images; it opens without a network.
    scores.png and plate.png are pictures for a report. excluded_wells.csv lists the excluded wells.
    """
    from focusqual.report import page, plate
    from focusqual.report.cutoffs import read_cutoffs
    from focusqual.report.paths import pictures_of
    from focusqual.report.tables import read_measurements
    from focusqual.report.verdicts import WELL_COLUMNS, excluded_wells, verdicts

    if pictures and not pictures.is_dir():
        raise UserError(f"{pictures} is not a folder of pictures: check the path.")
    images = read_measurements(measurements, image)
    if cutoffs:
        given = click.get_current_context().get_parameter_source("highest_score")
        if given == ParameterSource.COMMANDLINE:
            raise UserError("--cutoffs replaces --highest-score: leave one of them out.")
        scores = read_cutoffs(cutoffs, images["channel"])
        thresholds = dataclasses.replace(thresholds, highest_scores=scores)
    names = ("scores.png", "plate.png", "excluded_wells.csv", "plate.html")
    folder = prepare_outputs(output, [output / name for name in names])
    judged = images.assign(verdict=verdicts(images, thresholds))
    plate.draw_score_histogram(folder / "scores.png", judged)
    written = ["scores.png"]
    wells = judged[images["well"] != ""]
    if len(wells):
        plate.draw_plate_maps(folder / "plate.png", wells)
        excluded = excluded_wells(images, thresholds)
        with csv_table(folder / "excluded_wells.csv", WELL_COLUMNS) as rows:
            rows.writerows(excluded)
        written += ["plate.png", f"excluded_wells.csv ({counted(len(excluded), 'well')})"]
    else:
        for name in ("plate.png", "excluded_wells.csv"):  # of an earlier run
            (folder / name).unlink(missing_ok=True)
    click.echo(f"Wrote {', '.join(written)} into {folder}")
    _report_wells(images)
    drawn = pictures_of(images["image"], pictures or measurements.parent, measurements.stem)
    title = f"Focus report of {measurements.name}"
    page.write_plate_page(folder / "plate.html", title, images, thresholds, drawn)
    click.echo(f"Wrote {folder / 'plate.html'}")


def _report_wells(images: "pd.DataFrame") -> None:
    """Print the numbers of wells and plates, and of the images without a well."""
    from focusqual.report.measurements import outside_wells

    inside = images[images["well"] != ""]
    wells, plates = len(inside.drop_duplicates(["plate", "well"])), inside["plate"].nunique()
    click.echo(f"Plates: {plates}; wells: {wells}; images in wells: {len(inside)}")
    if len(inside) < len(images):
        click.echo(outside_wells(images), err=True)


@main.command(
    epilog=example(
        "focusqual audit measured/focus.csv --output audit\n"
        "focusqual audit FocusQC_Image.csv --image DNA --output audit"
    )
)
@table_argument
@output_option("the tables and a picture")
@image_name_option
def audit(measurements: Path, output: Path, image: Optional[str]) -> None:
    """Find out how the microscope failed: tilt, bow, offset, drift, and failures at single sites.

    TABLE is a focus.csv or CellProfiler's table of images, of one or several plates. Lengths are in
    micrometers if the optics were known, otherwise in levels. audit.json holds the findings,
    audit.csv the verdict of each image, audit.png maps of the measured defocus and of the fitted
    surface, and image_again.csv the failures, for CellProfiler's LoadData.
    """
    from focusqual.report.audited_images import audit_images
    from focusqual.report.findings import AUDIT_FILES, NO_PATTERN, sentences, write_audit
    from focusqual.report.plate import draw_surfaces
    from focusqual.report.tables import read_measurements

    unit, audits, images = audit_images(read_measurements(measurements, image), Thresholds())
    names = ("audit.png", *AUDIT_FILES)
    folder = prepare_outputs(output, [output / name for name in names])
    draw_surfaces(folder / "audit.png", audits, unit)
    write_audit(folder, audits, unit, images, image or "Image")
    for found in audits:
        name = f"Plate {found.plate}".strip()
        click.echo(f"{name}: {counted(len(found.rows), 'image')}")
        for sentence in sentences(found, unit, images) or [NO_PATTERN]:
            click.echo(f"  {sentence}")
    click.echo(f"Wrote {', '.join(names)} into {folder}")
    outside = len(images["image"]) - sum(len(found.rows) for found in audits)
    if outside:
        click.echo(f"Images with neither a well nor a stage position: {outside}", err=True)


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
    help="Regular expression that is searched in the path of each image. Its group Plane is the "
    "number of the plane; its other named groups identify the stack.",
)
@click.option(
    "--image-name",
    default="Image",
    help="Name of the images in load_data.csv, the table for CellProfiler's LoadData.",
)
@click.option(
    "--around",
    type=click.IntRange(0),
    default=0,
    help="Number of planes on each side of the best one that load_data.csv contains, too.",
)
@click.option(
    "--certain-from",
    type=Number(0, 1),
    default=0.1,
    help="Minimum certainty for a plane to count as in focus.",
)
def best_planes(
    table: Path, output: Path, pattern: str, image_name: str, around: int, certain_from: float
) -> None:
    """Find the plane in focus of each stack in TABLE, a focus.csv.

    Writes best_planes.csv with one row per stack; load_data.csv with the best planes, for
    CellProfiler's LoadData; and planes.png. The best plane has the lowest expected level; planes
    that show next to nothing count as average. The best focus between planes is the lowest point of
    a parabola through their levels, in planes and, if TABLE has stage_z_um, in micrometers. Images
    that the pattern does not match, stacks without a measured plane and planes that CellProfiler
    cannot open are named; the exit code is then 1.
    """
    from focusqual.report import planes

    stacks, others = planes.read_stacks(table, planes.compile_pattern(pattern))
    names = ("best_planes.csv", "load_data.csv", "planes.png")
    folder = prepare_outputs(output, [output / name for name in names])
    planes.draw_levels(folder / "planes.png", stacks, certain_from)
    planes.write_best_planes(folder / "best_planes.csv", stacks, certain_from)
    unopened = planes.write_load_data(folder / "load_data.csv", stacks, image_name, around)
    found = sum(stack.in_focus(certain_from) for stack in stacks)
    unmeasured = [stack for stack in stacks if stack.best_plane is None]
    click.echo(f"{found} of {len(stacks)} stacks have a plane in focus: {folder}")
    for path in others:
        click.echo(f"Error: {path} does not match the pattern.", err=True)
    for stack in unmeasured:
        click.echo(f"Error: no plane of the stack {stack.name} was measured.", err=True)
    for plane in unopened:
        click.echo(
            f"Error: {plane.image} is not in load_data.csv, as CellProfiler cannot open it in "
            f"{plane.folder / plane.file}: save it as an image file.",
            err=True,
        )
    if others or unmeasured or unopened:
        raise click.exceptions.Exit(1)
