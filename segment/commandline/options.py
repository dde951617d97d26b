"""Options that several commands share."""

import click

from micrograph_networks.commandline.commands import FILES
from segment.classes import CLASSES

table_option = click.option(
    "--csv",
    required=True,
    type=FILES,
    help="CSV with the columns images and masks, which hold paths relative to it.",
)
classes_option = click.option(
    "--class",
    "classes",
    multiple=True,
    default=CLASSES,
    help="Name of a class, the background first, in the order of the indices 0, 1, ... in the "
    "masks; repeat it for each class.",
)
