"""Commands that find which focus an assay needs."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, Tuple

import click

from micrograph_networks.commandline.commands import (
    FILES,
    Number,
    example,
    images_argument,
    output_option,
    prepare_outputs,
    run_folder,
    workers_option,
)
from micrograph_networks.commandline.images import input_images
from micrograph_networks.files.writing import atomic_write
from micrograph_networks.progress import counted

if TYPE_CHECKING:
    import pandas as pd


@click.command(
    epilog=example(
        "focusqual threshold good/focus.csv --output cutoffs\n"
        "focusqual threshold good/focus.csv bad/focus.csv --lose 0.05 --output cutoffs"
    )
)
@click.argument("good", type=FILES)
@click.argument("bad", type=FILES, required=False)
@output_option("the table and a picture")
@click.option(
    "--lose",
    type=Number(0, 1, min_open=True, max_open=True),
    default=0.02,
    help="Largest share of further good images that a cutoff rejects on average.",
)
def threshold(good: Path, bad: Optional[Path], output: Path, lose: float) -> None:
    """Find the highest score and expected level of images in focus, from images known to be good.

    GOOD and BAD are tables of images in focus and out of focus: a focus.csv or CellProfiler's table
    of images. Writes cutoffs.csv, with one row per channel, for 'focusqual summarize --cutoffs',
    and cutoffs.png. If further images are like those of GOOD, each cutoff rejects at most the share
    --lose of them on average (split conformal prediction).
    """
    from focusqual.report import cutoffs

    good_images = _read_shown(good)
    bad_images = _read_shown(bad) if bad else None
    found = cutoffs.find_cutoffs(good_images, lose, bad_images)
    folder = prepare_outputs(output, [output / "cutoffs.csv", output / "cutoffs.png"])
    cutoffs.draw_cutoffs(folder / "cutoffs.png", found, good_images, bad_images)
    cutoffs.write_cutoffs(folder / "cutoffs.csv", found)
    for one in found:
        rejected = ""
        if one.bad_images:
            rejected = (
                f"; of {one.bad_images} bad images they reject {one.bad_rejected_by_score:.0%} and "
                f"{one.bad_rejected_by_expected_level:.0%}"
            )
        name = f"{one.channel}: " if one.channel else ""
        click.echo(
            f"{name}highest score {one.highest_score:g}, highest expected level "
            f"{one.highest_expected_level:.3g}, each rejects at most {lose:.3g} of further good "
            f"images on average ({counted(one.images, 'image')}){rejected}"
        )
    click.echo(f"Wrote {folder / 'cutoffs.csv'}")


def _read_shown(table: Path) -> "pd.DataFrame":
    """Read the images of a table that show something, and print how many do not."""
    from focusqual.report.cutoffs import read_shown

    images, others = read_shown(table)
    if others:
        click.echo(f"Images of {table} that are blank or were not measured, and skipped: {others}")
    return images


@click.command(
    epilog=example(
        "focusqual tolerance good/ --pipeline assay.cppipe --output tolerance\n"
        "focusqual tolerance good/*.tif --pipeline assay.cppipe --channel DNA --output tolerance"
    )
)
@images_argument
@output_option("the tables, the picture and the measurements of each level")
@click.option("--pipeline", type=FILES, required=True, help="The assay: a .cppipe file.")
@click.option(
    "--channel",
    help="Name of the images to blur, as in NamesAndTypes. Needed if the pipeline has several.",
)
@click.option("--all-channels", is_flag=True, help="Blur the images of all channels.")
@click.option(
    "--plugins-directory",
    "plugins",
    type=FILES,
    help="Folder of CellProfiler's plugins.",
    show_default="that of CellProfiler's preferences",
)
@workers_option("Number of CellProfiler processes that run at a time.")
def tolerance(images: Tuple[Path, ...], output: Path, workers: int, **assay: Any) -> None:
    """Find the blur that the measurements of an assay tolerate.

    CellProfiler runs the pipeline on IMAGES, which are in focus, as they are and defocused to
    levels 1 to 6, and every measurement is compared with that at level 0. Modules that export,
    save or flag images are turned off. Writes tolerance.csv with one row per feature,
    tolerance.png, and tolerance.json with the levels that are tolerated. Repeat the same command to
    resume a run that was stopped: it keeps the levels that are finished.
    """
    from focusqual.evaluation import tolerance as tolerances
    from focusqual.evaluation.pipeline_jobs import Assay, measure_levels

    files = list(dict.fromkeys(image.plane.path for image in input_images(images, output)))
    folder = run_folder(output)
    names = ("tolerance.csv", "tolerance.json", "tolerance.png")
    prepare_outputs(folder, [folder / name for name in names])
    levels = tolerances.LEVELS_TRIED
    measured = measure_levels(Assay(images=files, **assay), levels, folder / "levels", workers)
    table = tolerances.compare_levels(measured)
    tolerances.draw_tolerance(folder / "tolerance.png", table)
    with atomic_write(folder / "tolerance.csv") as temporary:
        table.to_csv(temporary, index=False, float_format="%.4g")
    found = tolerances.summary(table)
    with atomic_write(folder / "tolerance.json") as temporary:
        temporary.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    for category, level in found["categories"].items():
        click.echo(f"{category:20} half of the features tolerate level {level}")
    click.echo(f"{found['sentence']}\nWrote {', '.join(names)} into {folder}")
