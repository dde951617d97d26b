"""Commands that find which focus an assay needs."""

from pathlib import Path
from typing import TYPE_CHECKING, Optional

import click

from micrograph_networks.commandline.commands import FILES, example, output_option, prepare_outputs

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
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
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
            f"images on average ({one.images} images){rejected}"
        )
    click.echo(f"Wrote {folder / 'cutoffs.csv'}")


def _read_shown(table: Path) -> "pd.DataFrame":
    """Read the images of a table that show something, and print how many do not."""
    from focusqual.report.cutoffs import read_shown

    images, others = read_shown(table)
    if others:
        click.echo(f"Skipped {others} images of {table} that are blank or were not measured.")
    return images
