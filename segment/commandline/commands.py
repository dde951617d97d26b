"""The command line: a group of commands, each defined in a file of this folder."""

from typing import TYPE_CHECKING, Optional

import click

from micrograph_networks.commandline.commands import (
    SETTINGS,
    Commands,
    export_command,
    models_command,
    version_option,
)
from segment.commandline.annotation_commands import convert_masks, scenes
from segment.commandline.evaluation_command import evaluate
from segment.commandline.evidence_command import fit_evidence
from segment.commandline.image_command import predict
from segment.commandline.summary_command import summarize
from segment.commandline.training_command import train
from segment.inference.network import NETWORKS

if TYPE_CHECKING:
    from micrograph_networks.export.bioimageio import ZooModel


@click.group("segment-darkfield", cls=Commands, context_settings=SETTINGS)
@version_option(NETWORKS)
def main() -> None:
    """Find blood cells and spirochaetes in dark-field images."""


def _zoo_model(model: Optional[str]) -> "ZooModel":
    from segment.export.zoo import zoo_model

    return zoo_model(model)


for command in (predict, evaluate, convert_masks, scenes, train, fit_evidence, summarize):
    main.add_command(command)
main.add_command(models_command("segment-darkfield", NETWORKS))
main.add_command(export_command("segment-darkfield", NETWORKS, _zoo_model))
