"""Compare recipes of the dark-field training by cross-validation over groups of near duplicates.

    python benchmarks/crossvalidate.py --csv data.csv --backbone-weights vgg16.h5 --output folds

Every variant is trained once a fold, from an encoder trained on ImageNet or from another variant's
network of the same fold, so that no network ever saw the images that it is judged by. The table,
benchmarks/darkfield_crossvalidation.csv, is written anew after every fold: a row a fold and, of two
or more, one of all images together (``all``) and the standard deviation (``spread``). What was
stopped goes on from its last epoch when the same command is given again. With ``--variants`` only
some are trained, and the rows of the others stay.
"""

import argparse
import functools
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple, Optional

import numpy as np
from folds import assign_folds

from micrograph_networks.errors import UserError
from micrograph_networks.files.tables import csv_table, number, read_csv
from micrograph_networks.files.writing import atomic_write, output_folder
from micrograph_networks.models.registry import MODEL_FOLDER, shipped_models
from micrograph_networks.networks.layers import array_shapes
from micrograph_networks.training.keras_models import multiply_in_bfloat16
from micrograph_networks.training.run import TrainingRun
from segment import SegmentationOptions, load_model
from segment.annotations.dataset import SPLIT_COLUMNS, load_samples
from segment.classes import CLASSES, pixel_classes
from segment.evaluation.evaluate import (
    Tally,
    added,
    evaluate_pair,
    figure_names,
    figures,
    pairs_of,
)
from segment.inference.model import WEIGHTS_FILE
from segment.inference.network import FULL, NETWORKS, encoder, unet_vgg16
from segment.inference.scaling import scaled_shape
from segment.training.backbone import read_backbone
from segment.training.recipes import SMALL_RECIPE, Recipe, Stage, changed_recipe
from segment.training.start import Start, from_backbone, from_model
from segment.training.train import Parts, train

ROOT = Path(__file__).resolve().parent.parent
GROUPS = MODEL_FOLDER / f"{shipped_models(NETWORKS)[-1].name}_split.csv"
TABLE = ROOT / "benchmarks" / "darkfield_crossvalidation.csv"
DESCRIBED = pixel_classes(CLASSES, {}, {})
COLUMNS = ["variant", "fold", "epoch", *figure_names(DESCRIBED)]
FOLDS = 3
SEED = 0
EVALUATED = "evaluated.json"
RANDOM = "random weights"


@dataclass(frozen=True)
class Variant:
    """A recipe, and the variant whose network of the same fold it starts from.

    Attributes
    ----------
    recipe : Recipe
    initial : str, optional
        Name of a variant that is declared before it, or RANDOM; by default the encoder trained on
        ImageNet.
    """

    recipe: Recipe
    initial: Optional[str] = None


SMALL = changed_recipe(SMALL_RECIPE, DESCRIBED, SEED)
SHORT = changed_recipe(SMALL, DESCRIBED, SEED, epochs=(3, 9))
ALL_LAYERS = Stage(12, crop=320, learning_rate=1e-3, falling=True, frozen_blocks=0)
# The first one is what `segment-darkfield train` does by default. Of the others, each differs from
# "short" in one thing, or is made of another.
VARIANTS = {
    "small": Variant(SMALL),
    "short": Variant(SHORT),
    "any crops": Variant(replace(SHORT, filament_share=0.0)),
    "512 pixels": Variant(changed_recipe(SHORT, DESCRIBED, SEED, working_size=512)),
    "full": Variant(replace(SHORT, widths=FULL)),
    "small of full": Variant(changed_recipe(SMALL, DESCRIBED, SEED, (0, 0)), initial="full"),
    "without ImageNet": Variant(replace(SHORT, stages=(ALL_LAYERS,)), initial=RANDOM),
}


@dataclass(frozen=True)
class Data:
    """Images, their folds, and where trainings start.

    Attributes
    ----------
    table : Path
        Images and masks.
    groups, folds : dict of str to int
        By the names of the images.
    backbone : Path
    """

    table: Path
    groups: dict
    folds: dict
    backbone: Path


class Judged(NamedTuple):
    """What was counted on the images of one or more folds.

    Attributes
    ----------
    matrix : ndarray of int, (classes, classes)
    tallies : dict of str to Tally
    """

    matrix: np.ndarray
    tallies: dict


def main():
    """Cross-validate the variants."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--csv", type=Path, required=True, help="images and masks")
    parser.add_argument("--backbone-weights", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True, help="folder of all runs")
    parser.add_argument("--folds", type=int, default=FOLDS)
    parser.add_argument(
        "--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS), metavar="NAME"
    )
    parser.add_argument("--mixed-precision", action="store_true", help="multiply in bfloat16")
    arguments = parser.parse_args()
    if arguments.mixed_precision:
        multiply_in_bfloat16()
    groups = read_groups(GROUPS)
    numbers = assign_folds(np.array(list(groups.values())), arguments.folds, SEED)
    data = Data(arguments.csv, groups, dict(zip(groups, numbers)), arguments.backbone_weights)
    try:
        chosen = {name: VARIANTS[name] for name in arguments.variants}
        cross_validate(chosen, data, arguments.output, TABLE)
    except UserError as error:
        parser.error(str(error))


def read_groups(path):
    """Group of each image, a dict of str to int, by the split.csv of a training."""
    rows = read_csv(path, ["image", "group"], "the split.csv of a training")
    return {row["image"]: int(row["group"]) for row in rows}


def cross_validate(variants, data, folder, table):
    """Train and judge every variant in every fold, and write the table; its other rows stay."""
    before = read_csv(table, COLUMNS, "one of this script") if table.exists() else []
    others = [row for row in before if row["variant"] not in variants]
    judged = {}
    for name, variant in variants.items():
        for fold in sorted(set(data.folds.values())):
            print(f"{name}, fold {fold + 1}", flush=True)
            judged.setdefault(name, []).append(judge(name, variant, data, fold, folder))
            write_table(table, variants, judged, others)


def judge(name, variant, data, fold, folder):
    """Train a variant without a fold, unless that is done, and judge it by the fold."""
    of_fold = functools.partial(run_folder, folder, fold)
    run = TrainingRun(output_folder(of_fold(name)), asdict(variant))
    parts = [(image, "test" if its == fold else "train") for image, its in data.folds.items()]
    rows = [(image, str(data.groups[image]), part) for image, part in parts]
    run.keep_split(SPLIT_COLUMNS, rows)
    path = run.folder / EVALUATED
    if path.exists():
        return read_judged(path)
    weights = trained(variant, run, data, of_fold, {i for i, part in parts if part == "train"})
    judged = evaluated(weights, pairs_of(data.table, run.folder / "split.csv", "test"))
    tallies = {one: tally._asdict() for one, tally in judged.tallies.items()}
    content = {"matrix": judged.matrix, "tallies": tallies}
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, default=lambda array: array.tolist()))
    return judged


def run_folder(folder, fold, name):
    """Where a variant is trained without a fold."""
    return folder / name.replace(" ", "_").replace(",", "") / f"fold_{fold + 1}"


def trained(variant, run, data, of_fold, learners):
    """The weights file of a variant, trained as far as it is not yet."""
    recipe = variant.recipe
    samples = load_samples(
        data.table, CLASSES, lambda shape: scaled_shape(shape, recipe.working_size / max(shape))
    )
    samples = [sample for sample in samples if sample.name in learners]

    def start():
        if variant.initial == RANDOM:
            return random_encoder(recipe)
        if variant.initial:
            return from_model(of_fold(variant.initial) / WEIGHTS_FILE, DESCRIBED)
        return from_backbone(read_backbone(data.backbone))

    return train(run, recipe, Parts(samples, []), start, {"training_data": data.table.parent.name})


def random_encoder(recipe):
    """An encoder that has seen nothing: Start."""
    rng = np.random.default_rng(recipe.seed)
    network = encoder(unet_vgg16(len(recipe.classes), recipe.widths))
    arrays = {}
    for (layer, name), shape in array_shapes(network).items():
        # He et al. 2015, Delving deep into rectifiers, section 2.2; a bias is 0.
        spread = np.sqrt(2 / np.prod(shape[:3])) if len(shape) > 1 else 0
        arrays.setdefault(layer, {})[name] = rng.normal(0, spread, shape).astype(np.float32)
    return Start(arrays, network)


def evaluated(weights, pairs):
    """Judge a trained network by images."""
    model, matrix, tallies = load_model(weights), 0, {}
    for pair in pairs:
        one = evaluate_pair(pair, model, SegmentationOptions())
        matrix, tallies = matrix + one.matrix, added(tallies, one.tallies)
    return Judged(matrix, tallies)


def read_judged(path):
    """What was judged before."""
    content = json.loads(path.read_text())
    tallies = {
        name: Tally(**{**tally, "calibration": np.array(tally["calibration"])})
        for name, tally in content["tallies"].items()
    }
    return Judged(np.array(content["matrix"]), tallies)


def write_table(path, variants, judged, others):
    """Write the figures of every fold, of all together, and their spread.

    Parameters
    ----------
    path : Path
    variants : dict of str to Variant
    judged : dict of str to list of Judged
        The folds of each variant that are done.
    others : list of dict of str
        Rows of other variants, which come first.
    """
    with csv_table(path, COLUMNS) as table:
        table.writerows([row[column] for column in COLUMNS] for row in others)
        for name, folds in judged.items():
            epochs = sum(stage.epochs for stage in variants[name].recipe.stages)
            found = [values(one) for one in folds]
            together = functools.reduce(
                lambda a, b: Judged(a.matrix + b.matrix, added(a.tallies, b.tallies)), folds
            )
            rows = {str(place + 1): one for place, one in enumerate(found)}
            if len(folds) > 1:
                rows.update({"all": values(together), "spread": np.std(found, axis=0)})
            for fold, row in rows.items():
                table.writerow([name, fold, epochs, *map(number, row)])


def values(judged):
    """All figures of :func:`segment.evaluation.evaluate.figures`, in the order of their names."""
    return list(figures(judged.matrix, judged.tallies, DESCRIBED).values())


if __name__ == "__main__":
    main()
