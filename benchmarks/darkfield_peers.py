"""Blood cells found by this package and by what a user would take otherwise, on the same images.

    python benchmarks/darkfield_peers.py --csv data.csv --split model_weights/darkfield_v1_split.csv
    python benchmarks/darkfield_peers.py --csv ... --split ... --model run/darkfield.h5

CellProfiler's IdentifyPrimaryObjects gets the method, the threshold and the smallest diameter that
find cells best in the training part. Each --model is a row of its own: without any
the newest shipped one, or a U-Net whose encoder did not learn from ImageNet, which

    python benchmarks/darkfield_peers.py --csv ... --groups ... --train-from-scratch run

trains by the recipe of the shipped models with all of its layers.
"""

import argparse
import dataclasses
import logging
from pathlib import Path

import numpy as np
from scipy import ndimage

from micrograph_networks.images.grey import to_grey
from micrograph_networks.networks.layers import array_shapes
from micrograph_networks.training.run import TrainingRun
from segment import SegmentationOptions, load_model
from segment.annotations import dataset
from segment.classes import BLOOD_CELL, CLASSES, pixel_classes
from segment.evaluation.evaluate import evaluate_pair, pairs_of
from segment.evaluation.matching import Matches, match_cells
from segment.evaluation.scores import confusion_matrix, scores
from segment.inference import objects
from segment.inference.network import encoder_blocks, unet_vgg16
from segment.inference.normalisation import to_rgb
from segment.inference.scaling import scaled_shape

CELL = CLASSES[BLOOD_CELL]
OTSU, MANUAL = "Otsu", "Manual"
TRIED = (
    *((OTSU, factor) for factor in (0.5, 0.7, 0.85, 1.0, 1.2, 1.5)),
    *((MANUAL, level) for level in (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4)),
)
"""Method, and its threshold or the factor that corrects it."""
SMALLEST = (0.02, 0.1, 0.2)
"""Shares of the true cells that are smaller than the smallest diameter."""
TUNING_IMAGES = 30
"""Of the training part, evenly spaced, on which all of TRIED and SMALLEST are tried."""


def main():
    """Print a row a method, or train the network without ImageNet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--csv", type=Path, required=True)
    parser.add_argument("--split", type=Path)
    parser.add_argument("--part", default="test")
    parser.add_argument("--model", action="append")
    parser.add_argument("--groups", type=Path)
    parser.add_argument("--train-from-scratch", type=Path)
    arguments = parser.parse_args()
    if arguments.train_from_scratch:
        train_from_scratch(arguments.csv, arguments.groups, arguments.train_from_scratch)
        return
    tuning = pairs_of(arguments.csv, arguments.split, "train")
    module, tried = tuned_module(tuning[:: max(len(tuning) // TUNING_IMAGES, 1)])
    pairs = pairs_of(arguments.csv, arguments.split, arguments.part)
    print(f"{'':40} IoU of cells  precision  recall  F1")
    print_row("IdentifyPrimaryObjects, {} {}, {} to {}".format(*tried), *judged(pairs, module))
    for name in arguments.model or [None]:
        model = load_model(name)
        print_row(model.name, *judged_model(pairs, model))


def print_row(name, matrix, matches):
    """IoU of the pixels of cells; precision, recall and F1 of those that stand alone."""
    figures = matches.precision, matches.recall, matches.f1
    print(f"{name:40} {scores(matrix).iou[1]:12.3f}  " + "   ".join(f"{f:.3f}" for f in figures))


def judged_model(pairs, model):
    """Confusion matrix of cells against all else, and matches of cells."""
    place = [one.name for one in model.classes].index(CELL)
    matrix, matches = 0, np.zeros(3, dtype=int)
    for pair in pairs:
        found = evaluate_pair(pair, model, SegmentationOptions(), CLASSES)
        matrix = matrix + confusion_matrix(found.truth == place, found.classes == place, 2)
        tally = found.tallies[CELL]
        matches += (tally.true, tally.judged, tally.matched)
    return matrix, Matches(*matches.tolist())


def judged(pairs, module):
    """The same of IdentifyPrimaryObjects."""
    matrix, matches = 0, np.zeros(3, dtype=int)
    for pair in pairs:
        image, mask = dataset.read_pair(pair, CLASSES)
        cells = identified(module, to_grey(to_rgb(image)) / 255)
        matrix = matrix + confusion_matrix(mask == BLOOD_CELL, cells > 0, 2)
        matches += match_cells(mask == BLOOD_CELL, cells)
    return matrix, Matches(*matches.tolist())


def tuned_module(pairs):
    """IdentifyPrimaryObjects as it finds cells best: method, threshold, and range of diameters."""
    module = primary_objects()
    found = diameters(pairs)
    results = {}
    for share in SMALLEST:
        limits = int(np.quantile(found, share)), int(np.ceil(found.max()))
        for method, value in TRIED:
            tried = (method, value, *limits)
            configure(module, *tried)
            results[tried] = judged(pairs, module)[1].f1
    best = max(results, key=results.get)
    configure(module, *best)
    return module, best


def diameters(pairs):
    """Of circles with the areas of the cells in some masks, in pixels: ndarray of float."""
    areas = []
    for pair in pairs:
        _, mask = dataset.read_pair(pair, CLASSES)
        areas.extend(objects.areas(ndimage.label(mask == BLOOD_CELL)[0]))
    return 2 * np.sqrt(np.array(areas) / np.pi)


def primary_objects():
    """The module without the options that drop cells at the border."""
    from cellprofiler_core import preferences

    preferences.set_headless()
    from cellprofiler.modules.identifyprimaryobjects import IdentifyPrimaryObjects

    logging.disable(logging.WARNING)  # CellProfiler's, of a database that is not needed
    module = IdentifyPrimaryObjects()
    module.x_name.value, module.y_name.value = "Image", "Cells"
    module.exclude_border_objects.value = False
    module.use_advanced.value = True
    module.unclump_method.value = module.watershed_method.value = "Shape"
    return module


def configure(module, method, value, smallest, largest):
    """Choose the method of the threshold, its value or factor, and the range of diameters."""
    module.size_range.value = smallest, largest
    settings = module.threshold
    settings.global_operation.value = method
    number = settings.manual_threshold if method == MANUAL else settings.threshold_correction_factor
    number.value = value


def identified(module, grey):
    """Run the module on a grey image of 0 to 1; gives int32 (height, width)."""
    from cellprofiler_core.image import Image, ImageSetList
    from cellprofiler_core.measurement import Measurements
    from cellprofiler_core.object import ObjectSet
    from cellprofiler_core.pipeline import Pipeline
    from cellprofiler_core.workspace import Workspace

    pipeline, images, found = Pipeline(), ImageSetList().get_image_set(0), ObjectSet()
    module.set_module_num(1)
    pipeline.add_module(module)
    images.add("Image", Image(grey))
    module.run(Workspace(pipeline, module, images, found, Measurements(), None))
    return found.get_objects("Cells").segmented.astype(np.int32)


def train_from_scratch(table, groups, folder):
    """Train by the product's recipe from random weights, none of which is kept."""
    from segment.training.recipes import FULL_RECIPE
    from segment.training.start import from_backbone
    from segment.training.train import Parts, train

    classes = pixel_classes(CLASSES, {}, {})
    stages = tuple(dataclasses.replace(stage, frozen_blocks=0) for stage in FULL_RECIPE.stages)
    recipe = dataclasses.replace(FULL_RECIPE, stages=stages, classes=classes)
    samples = dataset.load_samples(
        table, CLASSES, lambda shape: scaled_shape(shape, recipe.working_size / max(shape))
    )
    known = dataset.read_groups(groups, [sample.name for sample in samples]) if groups else []
    numbers, parts = dataset.divide(samples, known, recipe.seed)
    folder.mkdir(parents=True, exist_ok=True)
    run = TrainingRun(folder, dataclasses.asdict(recipe))
    run.keep_split(dataset.SPLIT_COLUMNS, dataset.split_rows(samples, numbers, parts))
    chosen = {
        part: [sample for sample, its in zip(samples, parts) if its == part]
        for part in ("train", "validation")
    }

    def random_backbone():
        # He et al. 2015, Delving deep into rectifiers, section 2.2.
        rng = np.random.default_rng(recipe.seed)
        shapes = array_shapes(unet_vgg16(len(classes)))
        backbone = {
            name: {
                "kernel": _drawn(rng, shapes[name, "kernel"]),
                "bias": np.zeros(shapes[name, "bias"], dtype=np.float32),
            }
            for name in sum(encoder_blocks(), [])
        }
        return from_backbone(backbone)

    print(train(run, recipe, Parts(**chosen), random_backbone, {"training_data": table.stem}))


def _drawn(rng, shape):
    return rng.normal(0, np.sqrt(2 / np.prod(shape[:3])), shape).astype(np.float32)


if __name__ == "__main__":
    main()
