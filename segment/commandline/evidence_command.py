"""The command that fits the probabilities of spirochaetes."""

from pathlib import Path
from typing import Optional

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
from micrograph_networks.files.tables import csv_table, number
from micrograph_networks.training.split import PARTS
from segment.commandline.options import table_option
from segment.inference.network import NETWORKS

THRESHOLDS = [one / 20 for one in range(21)]
"""Thresholds in the table."""


@click.command(
    "fit-evidence",
    epilog=example(
        "segment-darkfield fit-evidence --csv unseen.csv --model run1/darkfield.h5 --output fit\n"
        "segment-darkfield fit-evidence --csv data.csv --split run1/split.csv --model "
        "run1/darkfield.h5 --output fit"
    ),
)
@table_option
@output_option("the weights file and a table", owns_folder=True)
@click.option(
    "--split",
    type=FILES,
    show_default="all images",
    help="The split.csv of a training, to take only the images of one part.",
)
@click.option("--part", type=click.Choice(PARTS), default="test", help="Part of the split to take.")
@model_option
@click.option(
    "--into",
    show_default="the model that segments the images",
    help="Model that receives the fit, such as one that was trained on all images.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    show_default="the largest that finds as many of the images with spirochaetes as the least mean "
    "probability",
    help="Minimum probability of a spirochaete.",
)
@options_of("engine", EngineOptions)
def fit_evidence(
    csv: Path,
    output: Path,
    split: Optional[Path],
    part: str,
    model: Optional[str],
    into: Optional[str],
    threshold: Optional[float],
    engine: EngineOptions,
) -> None:
    """Fit probabilities of spirochaetes, and save them in a copy of the weights file.

    The images must be ones that the network was not trained on, and their masks must be complete:
    each candidate that nobody outlined counts as something else. The fit makes two measurements:
    the probability that a person would call a filament a spirochaete, and the probability that an
    image shows one. OUTPUT/darkfield.h5 is the copy. evidence.csv holds, for several minimum
    probabilities, the shares of images and of filaments that are judged correctly, by
    cross-validation over groups of near duplicates.
    """
    from dataclasses import replace

    from micrograph_networks.models.loading import read_network
    from micrograph_networks.models.weights_file import write_weights
    from segment.evaluation.evaluate import pairs_of
    from segment.inference.evidence import evidence_attribute
    from segment.inference.model import WEIGHTS_FILE, load_model
    from segment.training.evidence import OperatingPoint, fit_evidence, observe, operating_point

    loaded = load_model(model, engine)
    weights, _ = read_network(into or model, NETWORKS)
    pairs = pairs_of(csv, split, part)
    table, path = output / "evidence.csv", output / WEIGHTS_FILE
    prepare_outputs(output, [table, path])
    observed = observe(pairs, loaded)
    fit = fit_evidence(observed, threshold)
    with csv_table(table, ["threshold", *OperatingPoint._fields]) as rows:
        for one in THRESHOLDS:
            point = operating_point(fit.probabilities >= one, observed)
            rows.writerow([one, *map(number, point)])
    attributes = {**weights.attributes, **evidence_attribute(fit.evidence)}
    write_weights(path, replace(weights, attributes=attributes))
    for sentence in fit.sentences(observed):
        click.echo(sentence)
    click.echo(f"Wrote {path} and {table.name}")
