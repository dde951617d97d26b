"""Compare the blood cells found by this package and by IdentifyPrimaryObjects.

    python benchmarks/darkfield_peers.py --csv data.csv --split split.csv
    python benchmarks/darkfield_peers.py --csv ... --split run/split.csv --model run/darkfield.h5

CellProfiler's IdentifyPrimaryObjects gets the method, the threshold and the smallest diameter that
find cells best in the training part. benchmarks/crossvalidate.py trains other models on the same
part, including one whose encoder was not trained on ImageNet.
"""

import argparse
import logging
from pathlib import Path

import numpy as np
from scipy import ndimage

from micrograph_networks.images.gray import to_gray
from segment import SegmentationOptions, load_model
from segment.annotations import dataset
from segment.classes import BLOOD_CELL, CLASSES
from segment.evaluation.evaluate import evaluate_pair, pairs_of
from segment.evaluation.matching import Matches, match_cells
from segment.evaluation.scores import confusion_matrix, scores
from segment.inference import label_images

CELL = CLASSES[BLOOD_CELL]
OTSU, MANUAL = "Otsu", "Manual"
TRIED = (
    *((OTSU, factor) for factor in (0.5, 0.7, 0.85, 1.0, 1.2, 1.5)),
    *((MANUAL, level) for level in (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4)),
)
"""Methods, each with its threshold or with the factor that corrects it."""
SMALLEST = (0.02, 0.1, 0.2)
"""Shares of the true cells that are smaller than the smallest diameter to try."""
TUNING_IMAGES = 30
"""Number of training images, evenly spaced, on which all of TRIED and SMALLEST are tried."""


def main():
    """Print a row for each method."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--csv", type=Path, required=True, help="CSV of images and masks")
    parser.add_argument("--split", type=Path, required=True, help="the split.csv of a training")
    parser.add_argument("--part", default="test", help="part to judge (default: test)")
    parser.add_argument(
        "--model", action="append", help="model or weights file (default: the newest); repeatable"
    )
    arguments = parser.parse_args()
    tuning = pairs_of(arguments.csv, arguments.split, "train")
    module, tried = tuned_module(tuning[:: max(len(tuning) // TUNING_IMAGES, 1)])
    pairs = pairs_of(arguments.csv, arguments.split, arguments.part)
    print(f"{'':40} IoU of cells  precision  recall  F1")
    method, value, smallest, largest = tried
    name = f"IdentifyPrimaryObjects, {method} {value}, {smallest} to {largest}"
    print_row(name, *judged(pairs, module))
    for name in arguments.model or [None]:
        model = load_model(name)
        print_row(model.name, *judged_model(pairs, model))


def print_row(name, matrix, matches):
    """Print the IoU of the pixels of cells, and precision, recall and F1 of isolated cells."""
    found = matches.precision, matches.recall, matches.f1
    print(f"{name:40} {scores(matrix).iou[1]:12.3f}  " + "   ".join(f"{f:.3f}" for f in found))


def judged_model(pairs, model):
    """Return the confusion matrix of cells against all else, and matches of cells, of a model."""
    index = [one.name for one in model.classes].index(CELL)
    matrix, matches = 0, np.zeros(3, dtype=int)
    for pair in pairs:
        found = evaluate_pair(pair, model, SegmentationOptions(), CLASSES)
        matrix = matrix + confusion_matrix(found.truth == index, found.classes == index, 2)
        tally = found.counts.tallies[CELL]
        matches += (tally.true, tally.judged, tally.matched)
    return matrix, Matches(*matches.tolist())


def judged(pairs, module):
    """Return the same of IdentifyPrimaryObjects."""
    matrix, matches = 0, np.zeros(3, dtype=int)
    for pair in pairs:
        image, mask = dataset.read_pair(pair, CLASSES)
        cells = identified(module, to_gray(image) / 255)
        matrix = matrix + confusion_matrix(mask == BLOOD_CELL, cells > 0, 2)
        matches += match_cells(mask == BLOOD_CELL, cells)
    return matrix, Matches(*matches.tolist())


def tuned_module(pairs):
    """Return IdentifyPrimaryObjects with the settings that find cells best, and these settings."""
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
    """Return the diameters of circles with the areas of the cells in some masks, in pixels."""
    areas = []
    for pair in pairs:
        _, mask = dataset.read_pair(pair, CLASSES)
        areas.extend(label_images.areas(ndimage.label(mask == BLOOD_CELL)[0]))
    return 2 * np.sqrt(np.array(areas) / np.pi)


def primary_objects():
    """Return the module without the options that discard cells at the border."""
    from cellprofiler_core import preferences

    preferences.set_headless()
    from cellprofiler.modules.identifyprimaryobjects import IdentifyPrimaryObjects

    logging.disable(logging.WARNING)  # CellProfiler warns of a database that is not needed
    module = IdentifyPrimaryObjects()
    module.x_name.value, module.y_name.value = "Image", "Cells"
    module.exclude_border_objects.value = False
    module.use_advanced.value = True
    module.unclump_method.value = module.watershed_method.value = "Shape"
    return module


def configure(module, method, value, smallest, largest):
    """Set the method of the threshold, its value or factor, and the range of diameters."""
    module.size_range.value = smallest, largest
    settings = module.threshold
    settings.global_operation.value = method
    number = settings.manual_threshold if method == MANUAL else settings.threshold_correction_factor
    number.value = value


def identified(module, gray):
    """Run the module on a gray image of 0 to 1 and return its label image, int32."""
    from cellprofiler_core.image import Image, ImageSetList
    from cellprofiler_core.measurement import Measurements
    from cellprofiler_core.object import ObjectSet
    from cellprofiler_core.pipeline import Pipeline
    from cellprofiler_core.workspace import Workspace

    pipeline, images, found = Pipeline(), ImageSetList().get_image_set(0), ObjectSet()
    module.set_module_num(1)
    pipeline.add_module(module)
    images.add("Image", Image(gray))
    module.run(Workspace(pipeline, module, images, found, Measurements(), None))
    return found.get_objects("Cells").segmented.astype(np.int32)


if __name__ == "__main__":
    main()
