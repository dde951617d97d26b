"""Compare recipes of the dark-field training by cross-validation over groups of near duplicates.

    python benchmarks/crossvalidate.py --csv data.csv --backbone-weights vgg16.h5 --output folds

Every variant is trained once per fold, so no network saw the images that it is evaluated on. The
table, benchmarks/darkfield_crossvalidation.csv, is rewritten after every fold: a row per fold and,
from two folds on, one of all images together (``all``) and the standard deviation (``spread``).
Repeat the same command to resume a run that was stopped. With ``--variants`` only some are trained,
and the rows of the others stay.
"""

import argparse
import functools
import json
import operator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

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
    Counts,
    Tally,
    evaluate_pair,
    metrics,
    pairs_of,
)
from segment.inference.network import FULL, NETWORKS, encoder, unet_vgg16
from segment.training.recipes import SMALL_RECIPE, Recipe, Stage, changed_recipe
from segment.training.start import read_vgg16
from segment.training.train import train

ROOT = Path(__file__).resolve().parent.parent
GROUPS = MODEL_FOLDER / f"{shipped_models(NETWORKS)[-1].name}_split.csv"
TABLE = ROOT / "benchmarks" / "darkfield_crossvalidation.csv"
DESCRIBED = pixel_classes(CLASSES, {}, {})
COLUMNS = ["variant", "fold", "epoch"]
FOLDS = 3
SEED = 0
EVALUATED = "evaluated.json"


@dataclass(frozen=True)
class Variant:
    """A recipe, and whether its encoder starts from ImageNet or at random."""

    recipe: Recipe
    pretrained: bool = True


SMALL = changed_recipe(SMALL_RECIPE, DESCRIBED, SEED)
SHORT = changed_recipe(SMALL, DESCRIBED, SEED, epochs=(3, 9))
ALL_LAYERS = Stage(12, crop=320, learning_rate=1e-3, falling=True, frozen_blocks=0)
# "small" is the default of `segment-darkfield train`. The variants after "short" differ from it in
# one thing each.
VARIANTS = {
    "small": Variant(SMALL),
    "short": Variant(SHORT),
    "any crops": Variant(replace(SHORT, filament_share=0.0)),
    "512 pixels": Variant(changed_recipe(SHORT, DESCRIBED, SEED, working_size=512)),
    "full": Variant(replace(SHORT, widths=FULL)),
    "without ImageNet": Variant(replace(SHORT, stages=(ALL_LAYERS,)), pretrained=False),
}


@dataclass(frozen=True)
class Data:
    """Images, their folds, and the encoder to start from.

    Attributes
    ----------
    table : Path
        CSV of images and masks.
    groups, folds : dict of str to int
        Group and fold of each image by its name.
    backbone : Path
        HDF5 file of VGG16's convolutions.
    """

    table: Path
    groups: dict
    folds: dict
    backbone: Path


def main():
    """Cross-validate the variants."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--csv", type=Path, required=True, help="CSV of images and masks")
    parser.add_argument(
        "--backbone-weights", type=Path, required=True, help="HDF5 file of VGG16's convolutions"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder of all runs")
    parser.add_argument("--folds", type=int, default=FOLDS, help="number of folds (default: 3)")
    parser.add_argument(
        "--variants",
        nargs="+",
        choices=list(VARIANTS),
        default=list(VARIANTS),
        metavar="NAME",
        help=f"variants to train, all by default: {', '.join(VARIANTS)}",
    )
    parser.add_argument("--mixed-precision", action="store_true", help="multiply in bfloat16")
    arguments = parser.parse_args()
    if arguments.mixed_precision:
        multiply_in_bfloat16()
    groups = read_groups(GROUPS)
    folds = assign_folds(np.array(list(groups.values())), arguments.folds, SEED)
    data = Data(arguments.csv, groups, dict(zip(groups, folds)), arguments.backbone_weights)
    chosen = {name: VARIANTS[name] for name in arguments.variants}
    try:
        cross_validate(chosen, data, arguments.output, TABLE)
    except UserError as error:
        parser.error(str(error))


def read_groups(path):
    """Read the group of each image from the split.csv of a training: dict of str to int."""
    rows = read_csv(path, ["image", "group"], "the split.csv of a training")
    return {row["image"]: int(row["group"]) for row in rows}


def cross_validate(variants, data, folder, table):
    """Train and evaluate every variant in every fold, and write the table; its other rows stay."""
    before = read_csv(table, COLUMNS, "a table of this script") if table.exists() else []
    others = [row for row in before if row["variant"] not in variants]
    counts = {}
    for name, variant in variants.items():
        for fold in sorted(set(data.folds.values())):
            print(f"{name}, fold {fold + 1}", flush=True)
            counts.setdefault(name, []).append(fold_counts(name, variant, data, fold, folder))
            write_table(table, variants, counts, others)


def fold_counts(name, variant, data, fold, folder):
    """Train a variant without the images of a fold and evaluate it on them: Counts."""
    path = folder / name.replace(" ", "_") / f"fold_{fold + 1}"
    run = TrainingRun(output_folder(path), asdict(variant))
    parts = {image: "test" if its == fold else "train" for image, its in data.folds.items()}
    rows = [(image, str(data.groups[image]), part) for image, part in parts.items()]
    run.keep_split(SPLIT_COLUMNS, rows)
    path = run.folder / EVALUATED
    if path.exists():
        return read_counts(path)
    weights = trained(variant, run, data, [i for i, part in parts.items() if part == "train"])
    model, pairs = load_model(weights), pairs_of(data.table, run.folder / "split.csv", "test")
    options = SegmentationOptions()
    counts = functools.reduce(
        operator.add, [evaluate_pair(pair, model, options).counts for pair in pairs]
    )
    write_counts(path, counts)
    return counts


def trained(variant, run, data, learners):
    """Train a variant, as far as that is not done, and return the path of its weights file."""
    recipe = variant.recipe
    samples = load_samples(data.table, CLASSES, recipe.working_size)
    samples = [sample for sample in samples if sample.name in learners]
    start = read_vgg16(data.backbone) if variant.pretrained else random_vgg16(recipe.seed)
    return train(run, recipe, samples, [], start, {"training_data": data.table.parent.name})


def random_vgg16(seed):
    """Return random arrays of VGG16 (He et al. 2015, Delving deep into rectifiers, section 2.2)."""
    rng, arrays = np.random.default_rng(seed), {}
    for (layer, name), shape in array_shapes(encoder(unet_vgg16(2))).items():
        spread = np.sqrt(2 / np.prod(shape[:3])) if name == "kernel" else 0
        arrays.setdefault(layer, {})[name] = rng.normal(0, spread, shape).astype(np.float32)
    return arrays


def write_counts(path, counts):
    """Write the counts of a fold as JSON."""
    tallies = {name: tally._asdict() for name, tally in counts.tallies.items()}
    content = {"matrix": counts.matrix, "tallies": tallies, "uncertain": counts.uncertain}
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, default=np.ndarray.tolist))


def read_counts(path):
    """Read the counts of a fold."""
    content = json.loads(path.read_text())
    tallies = {
        name: Tally(**{**tally, "calibration": np.array(tally["calibration"])})
        for name, tally in content["tallies"].items()
    }
    arrays = {name: np.array(content[name]) for name in ("matrix", "uncertain") if name in content}
    return Counts(tallies=tallies, **arrays)


def write_table(path, variants, counts, others):
    """Write the metrics of every fold, of all together, and their spread.

    Parameters
    ----------
    path : Path
    variants : dict of str to Variant
    counts : dict of str to list of Counts
        Finished folds of each variant.
    others : list of dict of str
        Rows of other variants, which come first. Metrics that they lack are empty.
    """
    names = list(metrics(next(iter(counts.values()))[0], DESCRIBED))
    with csv_table(path, [*COLUMNS, *names]) as table:
        table.writerows([row.get(column, "") for column in [*COLUMNS, *names]] for row in others)
        for name, folds in counts.items():
            epochs = sum(stage.epochs for stage in variants[name].recipe.stages)
            found = [values(one) for one in folds]
            rows = {str(fold): one for fold, one in enumerate(found, 1)}
            if len(folds) > 1:
                rows["all"] = values(functools.reduce(operator.add, folds))
                rows["spread"] = np.std(found, axis=0)
            for fold, row in rows.items():
                table.writerow([name, fold, epochs, *map(number, row)])


def values(counts):
    """Return the metrics of some counts, in the order of the columns."""
    return list(metrics(counts, DESCRIBED).values())


if __name__ == "__main__":
    main()
