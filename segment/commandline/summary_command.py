"""The command that summarizes slides and makes the review page."""

from pathlib import Path
from typing import Optional

import click

from micrograph_networks.commandline.commands import (
    FILES,
    example,
    output_option,
    prepare_outputs,
    suffix_option,
)
from micrograph_networks.errors import add_path_to_errors
from segment.classes import CLASSES, SPIROCHAETE

PAGE = "review.html"


@click.command(
    epilog=example(
        "segment-darkfield summarize found --output summary\n"
        "segment-darkfield summarize found --groups slides.csv --output summary\n"
        "segment-darkfield summarize found --reviewed decisions.csv --output summary"
    )
)
@click.argument("folder", type=FILES)
@output_option("the page, its pictures and the table")
@suffix_option
@click.option(
    "--class", "class_name", default=CLASSES[SPIROCHAETE], help="Class of the reviewed objects."
)
@click.option(
    "--groups",
    type=FILES,
    show_default="the images of a folder are a group",
    help="CSV with the columns image and group, such as the slide, patient or well.",
)
@click.option(
    "--reviewed",
    type=FILES,
    show_default="none",
    help="The decisions.csv that the page saved. Rejected objects do not count.",
)
def summarize(
    folder: Path,
    output: Path,
    suffix: str,
    class_name: str,
    groups: Optional[Path],
    reviewed: Optional[Path],
) -> None:
    """Say how many images of each slide show spirochaetes, and make a page to review them.

    FOLDER is the output folder of 'segment-darkfield predict'. groups.csv holds, for each group of
    images, how many show a spirochaete with Wilson's 95% interval, and the spirochaetes per image
    and per 1,000 blood cells with bootstrap intervals. review.html shows all spirochaetes, to
    accept or reject them by keys; it opens without a network. For research use only, not for
    diagnosis: the model card lists sensitivity and specificity.
    """
    from segment.report.found import PICTURE, groups_by_folder, read_found, read_groups
    from segment.report.records import write_picture
    from segment.report.review import read_decisions, write_review
    from segment.report.slides import summarize, write_groups

    groups_of = read_groups(groups) if groups else groups_by_folder
    found = read_found(folder, suffix, class_name, groups_of)
    records = [record for record, _ in found]
    decisions = read_decisions(reviewed, records)
    table, page = output / "groups.csv", output / PAGE
    pictures = [output / record.picture for record in records]
    prepare_outputs(output, [table, page, *pictures])
    # The page comes first: its mark tells that the pictures are this command's own.
    write_review(page, records, class_name, f"{class_name.capitalize()}s in {folder}", decisions)
    for path, (_, plane) in zip(pictures, found):
        with add_path_to_errors(plane):
            write_picture(path, plane.read())
    for path in set(output.glob(PICTURE.replace("{:05}", "[0-9]*"))) - set(pictures):
        path.unlink()
    summaries = summarize(records, decisions)
    write_groups(table, summaries)
    for one in summaries:
        click.echo(one.sentence(class_name))
    undecided = sum(len(record.candidates) for record in records) - len(decisions)
    click.echo(f"{undecided} of the {class_name}s are not reviewed.")
    click.echo(f"Wrote {table} and {page}")
