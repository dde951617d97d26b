"""Measure the accuracy of the focus score, and its guard against processed images.

    python benchmarks/focus_accuracy.py --stacks DATA/focus_stacks/stacks.csv
    python benchmarks/focus_accuracy.py --in-focus DATA/in_focus_various --model run1/focus.h5

--stacks compares the model with CellProfiler's power log-log slope and the variance of the
Laplacian on real stacks of planes, like `focusqual evaluate-stacks`, and lists the scores of each
stack.

The guard is always measured: blank frames after each processing of processings.py, and the median
certainty of their patches. --in-focus adds in-focus images (folders are searched recursively, one
subfolder per kind): the score of each, and how far each processing moves it. --output writes every
number of the guard to a CSV.

Both also print which of score and expected level tells images in and out of focus apart better: the
area under the curve on the planes of the stacks, and on the in-focus images and the same images
defocused. The verdict of reports uses the better one.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from processings import LEVEL_KEPT, PROCESSINGS
from tqdm import tqdm

from focusqual import load_model, measure_focus
from focusqual.evaluation import stacks
from focusqual.inference.options import FocusOptions
from focusqual.levels import LEVEL_DEPTH
from focusqual.simulation.defocus import defocus
from micrograph_networks.evaluation.ranking import area_under_curve
from micrograph_networks.images.image_files import IMAGE_SUFFIXES, read_gray

SIDE = 420
"""Side of blank frames and of the crops of in-focus images, in pixels: 25 patches."""
NOT_FLUORESCENCE = ("bright_field", "phase_dic", "stained_tissue")
"""Kinds that are counted separately from fluorescence."""
UNPROCESSED = "unprocessed"
DEFOCUSED = (2, 3, 4)
"""Levels of the images that are compared with in-focus ones."""
COLUMNS = ("group", "image", "processing", "score", "expected_level", "certainty", "median_patch")
"""Columns of the table of the guard; the last one is the median certainty of the patches."""


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="name or weights file; the newest shipped one by default")
    parser.add_argument("--stacks", type=Path, help="table of the planes of stacks")
    parser.add_argument("--in-focus", type=Path, nargs="*", default=[], help="folders")
    parser.add_argument("--output", type=Path, help="CSV to write with every number of the guard")
    arguments = parser.parse_args()
    model = load_model(arguments.model)
    print(f"model {model.name}")
    if arguments.stacks:
        compare_on_stacks(arguments.stacks, model)
    rows = guard(blank_frames(), model, PROCESSINGS)
    print_blank(rows)
    if arguments.in_focus:
        images = list(in_focus_images(arguments.in_focus))
        moved = guard(images, model, LEVEL_KEPT)
        print_in_focus(moved)
        compare_on_defocused(images, model)
        rows = pd.concat([rows, moved])
    if arguments.output:
        rows.to_csv(arguments.output, index=False)


def compare_on_stacks(table, model):
    """Print what `focusqual evaluate-stacks` prints, and the scores of each stack."""
    measured = stacks.measure_planes(stacks.read_planes(table), model, FocusOptions())
    print(stacks.as_text(stacks.compare(measured)))
    print(f"\n{'scores by stack, in focus in brackets':42}")
    for name, planes in measured.groupby("stack"):
        shown = []
        for score, depths in zip(planes["score"], planes["depths_of_field"]):
            shown.append(f"({score:.0f})" if depths <= stacks.IN_FOCUS else f"{score:.0f}")
        print(f"{name:26} {' '.join(shown)}")

    depths = measured["depths_of_field"]
    in_focus, out_of_focus = depths <= stacks.IN_FOCUS, depths >= stacks.OUT_OF_FOCUS
    print_separation("planes of the stacks", measured[in_focus], measured[out_of_focus])


def compare_on_defocused(images, model):
    """Print how well both measures tell images from the same images at some levels."""
    by_level = {level: [] for level in (0, *DEFOCUSED)}
    for _, _, image in progress(images):
        for level, rows in by_level.items():
            blurred = defocus(image.astype(np.float32), LEVEL_DEPTH * level) if level else image
            rows.append(measure_focus(blurred, model).summary)
    in_focus, *others = map(pd.DataFrame, by_level.values())
    for level, blurred in zip(DEFOCUSED, others):
        print_separation(f"images in focus, and at level {level}", in_focus, blurred)


def print_separation(title, in_focus, out_of_focus):
    """Print the areas under the curve of score and expected level."""
    print(f"\n{title}: {len(in_focus)} in focus, {len(out_of_focus)} out of focus")
    for name in ("score", "expected_level"):
        area = area_under_curve(out_of_focus[name], in_focus[name])
        print(f"{name:26} area under the curve {area:.4f}")


def blank_frames():
    """Yield group, name and image of blank frames of several backgrounds and bit depths."""
    for number, photons in enumerate((3, 30, 300, 3000)):
        rng = np.random.default_rng(number)
        for dtype in (np.uint8, np.uint16):
            if photons <= np.iinfo(dtype).max / 2:
                frame = rng.poisson(photons, (SIDE, SIDE)).astype(dtype)
                yield "blank", f"Poisson {photons}, {dtype.__name__}", frame
    rng = np.random.default_rng(9)
    offset = rng.normal(100, 3, (SIDE, SIDE)) + 2.2 * rng.poisson(5, (SIDE, SIDE))
    yield "blank", "offset 100, read noise 3, 5 photons, uint16", np.rint(offset).astype(np.uint16)


def in_focus_images(folders):
    """Yield kind, name and center of the images in folders and their subfolders."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in IMAGE_SUFFIXES:
                image = read_gray(path)
                top, left = ((n - min(n, SIDE)) // 2 for n in image.shape)
                image = image[top : top + SIDE, left : left + SIDE]
                if image.dtype.kind == "f":  # color that was converted to gray
                    image = np.rint(image).astype(np.uint8)
                yield path.parent.name, path.name, image


def guard(images, model, processings):
    """Measure images unprocessed and after each processing, as a DataFrame with COLUMNS."""
    rows = []
    for group, name, image in progress(list(images)):
        processed = {UNPROCESSED: image}
        for processing, process in processings.items():
            processed[processing] = process(image)
        for processing, changed in processed.items():
            measurement = measure_focus(changed, model)
            found = [measurement.summary[key] for key in ("score", "expected_level", "certainty")]
            rows.append([group, name, processing, *found, float(np.median(measurement.certainty))])
    return pd.DataFrame(rows, columns=COLUMNS)


def print_blank(rows):
    """Print the worst blank frame of every processing."""
    print(f"\n{'blank frames':28} median certainty: worst   mean   score of the worst, which")
    for processing, chosen in rows.groupby("processing", sort=False):
        worst = chosen.loc[chosen["median_patch"].idxmax()]
        print(
            f"{processing:28} {worst['median_patch']:23.3f} {chosen['median_patch'].mean():6.3f}   "
            f"{worst['score']:.0f}, {worst['image']}"
        )
    print(f"{'worst of all':28} {rows['median_patch'].max():23.3f}")


def print_in_focus(rows):
    """Print the scores of in-focus images by kind, and how far each processing moves them."""
    before = rows[rows["processing"] == UNPROCESSED].set_index(["group", "image"])["score"]
    print(f"\n{'in-focus images':28} images  score 0 or 1  scores")
    for kind, scores in before.groupby("group"):
        counts = ", ".join(f"{n} x {k:.0f}" for k, n in scores.value_counts().sort_index().items())
        print(f"{kind:28} {len(scores):6} {np.mean(scores <= 1):13.3f}  {counts}")
    print(f"\n{'':28} {'fluorescence':>34} {'bright field and stained tissue':>34}")
    print(f"{'score after processing':28}" + 2 * "  moved by > 1   mean  least  most")
    for processing, chosen in rows.groupby("processing", sort=False):
        if processing != UNPROCESSED:
            shifts = chosen.set_index(["group", "image"])["score"] - before
            other = shifts.index.get_level_values("group").isin(NOT_FLUORESCENCE)
            print(f"{processing:28}{_shown(shifts[~other])}{_shown(shifts[other])}")


def _shown(shifts):
    if shifts.empty:
        return f"{'no images':>34}"
    return (
        f"{np.sum(np.abs(shifts) > 1):6} of {len(shifts):<4}"
        f" {shifts.mean():+6.2f} {shifts.min():+6.0f} {shifts.max():+5.0f}"
    )


def progress(items):
    """Show progress on a terminal."""
    return tqdm(items, disable=None, file=sys.stderr)


if __name__ == "__main__":
    main()
