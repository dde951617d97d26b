"""Measure how well the plate audit finds tilt, bow, offset, drift and failures on simulated plates.

    python benchmarks/plate_audit.py
    python benchmarks/plate_audit.py --plates 20 --seed 7 --output plates.csv

The levels of a plate are made without images: the true defocus of each site goes through a response
other than the fitted one (another floor; a hard or a soft knee, or that of focus_v2 on simulated
nuclei), with noise that grows with the level, an effect of each well, 2% of images with three times
the noise, and blank images. Errors count as right within 10% or 1 micrometer. Failures lie 6 to 15
micrometers beyond the surface, where levels do not end before that.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Tuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from focusqual.report.audit import FAILURE, audit
from focusqual.report.wells import PLATES, ROWS

SHAPES = {rows * cols: (rows, cols) for rows, cols in PLATES}
PITCH = {6: 39.0, 12: 26.0, 24: 19.0, 48: 13.0, 96: 9.0, 384: 4.5, 1536: 2.25}
NETWORK = (
    (0, 0.75, 1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 9, 10, 11, 13, 40),
    (0.35, 0.34, 0.37, 0.45, 0.56, 1.09, 1.97, 2.81, 3.87, 4.98, 8.94, 9.74, 9.64, 9, 9),
)
"""Defocus and expected level of focus_v2 on simulated nuclei, both in levels."""


@dataclass(frozen=True)
class Recipe:
    """Focus errors of a simulated plate, in micrometers; drift per hour, ``angle`` in radians.

    ``tilt``, ``bow`` and ``drift`` are as in audit.json; ``offset`` is the defocus at the center of
    the plate in the middle of the time.
    """

    wells: int = 96
    sites: int = 1
    offset: float = 0.0
    tilt: float = 0.0
    angle: float = 0.6
    bow: float = 0.0
    drift: float = 0.0
    failures: int = 0
    column: bool = False  # all wells of the last column are failures
    half: str = ""  # wells that are missing: "right" or "random"
    response: str = "network"
    depth: float = 2.0  # micrometers per level
    floor: float = 0.5
    noise: float = 1.0
    levels_only: bool = False


def simulate(recipe: Recipe, seed: int) -> Tuple[pd.DataFrame, Dict[str, float]]:
    """Return the images of a plate and its true tilt, bow, offset and drift.

    The column ``is_failure`` of the images is the truth; the others are those of
    :func:`focusqual.report.measurements.measurements`.
    """
    rng = np.random.default_rng(seed)
    rows, cols = SHAPES[recipe.wells]
    row, col, site = np.indices((rows, cols, recipe.sites)).reshape(3, -1)
    side = int(np.ceil(np.sqrt(recipe.sites)))
    pitch = PITCH[recipe.wells]
    step = 0.2 * pitch / side
    center = (side - 1) / 2
    x = (col - (cols - 1) / 2) * pitch + (site % side - center) * step
    y = (row - (rows - 1) / 2) * pitch + (site // side - center) * step
    snake = np.where(row % 2, cols - 1 - col, col)
    hours = (row * cols + snake + site / recipe.sites) * 2 / recipe.wells
    plane = x * np.cos(recipe.angle) + y * np.sin(recipe.angle)
    surface = (
        recipe.offset
        + recipe.tilt * plane / max(np.ptp(plane), 1e-9)
        + recipe.bow * (x**2 + y**2) / (x**2 + y**2).max()
        + recipe.drift * (hours - hours.mean())
    )
    depth = np.abs(surface)
    visible = np.flatnonzero(depth + 7 < 10 * recipe.depth)
    failing = np.zeros(len(x), bool)
    if recipe.column:
        failing = (col == cols - 1) & (depth + 7 < 10 * recipe.depth)
    elif recipe.failures:
        failing[rng.permutation(visible)[: recipe.failures]] = True
    depth = depth + failing * rng.uniform(6, 15, len(x))
    clean = _respond(recipe, depth / recipe.depth)
    spread = recipe.noise * (0.1 + 0.05 * clean) * np.where(rng.random(len(x)) < 0.02, 3, 1)
    effect = 0.5 * recipe.noise * (0.1 + 0.03 * clean) * rng.normal(size=(rows, cols))[row, col]
    level = np.clip(clean + effect + spread * rng.normal(size=len(x)), 0, 10)
    blank = ~failing & (rng.random(len(x)) < 0.03)
    level[blank] = rng.uniform(3, 7, blank.sum())
    images = pd.DataFrame(
        {
            "image": [f"p_{ROWS[r]}{c + 1:02}_s{s + 1}.tif" for r, c, s in zip(row, col, site)],
            "plate": "",
            "well": [f"{ROWS[r]}{c + 1:02}" for r, c in zip(row, col)],
            "row": row,
            "col": col,
            "site": site,
            "measured": True,
            "score": np.floor(level + 0.5),
            "expected_level": level,
            "certainty": np.where(blank, 0.03, 0.7),
            "time (hours)": hours,
            "is_failure": failing,
        }
    )
    images["verdict"] = np.select(
        [blank, images["score"] > 1], ["blank", "out of focus"], "in focus"
    )
    if not recipe.levels_only:
        images["expected_defocus_um"] = level * recipe.depth
    if recipe.half:
        lost = rng.random((rows, cols)) < 0.5 if recipe.half == "random" else None
        kept = col < cols / 2 if lost is None else ~lost[row, col]
        images, surface = images[kept].reset_index(drop=True), surface[kept]
    truth = {
        "offset": abs(float(np.median(surface))),
        "tilt": recipe.tilt,
        "bow": recipe.bow,
        "drift": recipe.drift,
    }
    unit = recipe.depth if recipe.levels_only else 1.0
    return images, {name: value / unit for name, value in truth.items()}


def _respond(recipe: Recipe, depth: np.ndarray) -> np.ndarray:
    """Return the level of each depth of defocus, both in levels."""
    if recipe.response == "network":
        return np.interp(depth, *NETWORK)
    if recipe.response == "hard":
        return np.clip(depth, recipe.floor, 9.8)
    rising = (depth**3 + recipe.floor**3) ** (1 / 3)
    return rising / (1 + (rising / 10) ** 8) ** (1 / 8)


def random_recipe(rng: np.random.Generator, kind: str) -> Recipe:
    """Return a plate of one of KINDS."""
    wells = int(rng.choice([24, 96, 384, 1536], p=[0.3, 0.3, 0.3, 0.1]))
    sign = rng.choice([-1, 1])
    common = {
        "wells": wells,
        "sites": int(rng.choice([4, 9] if wells == 24 else [1, 2, 4] if wells < 1536 else [1])),
        "angle": rng.uniform(0, 2 * np.pi),
        "response": str(rng.choice(["network", "hard", "soft"])),
        "depth": rng.uniform(1.6, 2.4),
        "floor": rng.uniform(0.3, 0.9),
        "noise": rng.uniform(0.6, 1.5),
        "levels_only": bool(rng.random() < 0.2),
        "failures": 0 if kind == "no pattern" else 12,
    }
    if kind == "offset":
        common["offset"] = sign * rng.uniform(6, 12)
    if "tilt" in kind:
        common.update(tilt=rng.uniform(20, 60), offset=rng.uniform(-8, 8))
    if "bow" in kind:
        common.update(bow=sign * rng.uniform(15, 30), offset=rng.uniform(-6, 6))
    if kind == "drift":
        common.update(drift=sign * rng.uniform(4, 10), offset=rng.uniform(-8, 8))
    if kind in HARD:
        common.update(HARD[kind])
    return Recipe(**common)


KINDS = ("no pattern", "failures", "offset", "tilt", "bow", "tilt and bow", "drift")
"""Kinds of plates in the table."""
HARD = {
    "inside the depth of field": {"offset": 1.0, "depth": 2.0},
    "most levels at the end": {"tilt": 60, "offset": 22, "depth": 2.0},
    "tilt through the focus, half of the wells": {"tilt": 40, "half": "random"},
    "left half of the plate": {"tilt": 40, "half": "right"},
    "a column failed": {"failures": 0, "column": True},
    "a column failed on a tilted plate": {"failures": 0, "column": True, "tilt": 30},
}
"""Hard kinds of plates, and what they have."""


def check(recipe: Recipe, seed: int) -> Dict[str, object]:
    """Audit a simulated plate; return what was right."""
    images, truth = simulate(recipe, seed)
    start = time.process_time()
    _, (found,) = audit(images)
    seconds = time.process_time() - start
    failing = images["is_failure"].to_numpy()
    good = ~failing & (images["verdict"] != "blank").to_numpy()
    named = found.verdict == FAILURE
    row = {
        **{"seconds": seconds, "failing": failing.sum(), "named": (named & failing).sum()},
        **{"good": good.sum(), "accused": (named & good).sum()},
        **{"parameters": 0, "right": 0, "intervals": 0, "covered": 0},
        "found_nothing": not named.any() and not any(found.values.values()),
    }
    micrometer = 1 / recipe.depth if recipe.levels_only else 1.0
    for name, true in truth.items():
        value = found.values[name]
        size = abs(value.value) if value else 0.0
        if true or value:
            row["parameters"] += 1
            row["right"] += abs(size - abs(true)) <= max(0.1 * abs(true), micrometer)
            row[f"{name}_true"], row[name] = true, size
        if value:
            row["intervals"] += 1
            row["covered"] += bool(
                min(abs(value.low), abs(value.high)) <= abs(true) <= max(map(abs, value[1:]))
            )
    return row


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plates", type=int, default=12, help="number of plates of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="CSV to write with one row per plate")
    arguments = parser.parse_args()
    rows = []
    for number, kind in enumerate(tqdm((*KINDS, *HARD), disable=None)):
        for plate in range(arguments.plates):
            seed = 10_000 * arguments.seed + 100 * number + plate
            recipe = random_recipe(np.random.default_rng([seed, 1]), kind)
            rows.append({"kind": kind, "seed": seed, **vars(recipe), **check(recipe, seed)})
    table = pd.DataFrame(rows)
    if arguments.output:
        table.to_csv(arguments.output, index=False)
    print(
        f"{'kind':42} plates  right       covered     named       accused        nothing  slowest"
    )
    for kind, group in table.groupby("kind", sort=False):
        sums = group[[*RATIOS, "found_nothing"]].sum()
        ratios = [f"{sums[a]:.0f}/{sums[b]:.0f}" for a, b in PAIRS]
        print(
            f"{kind:42} {len(group):6}  {'  '.join(f'{ratio:10}' for ratio in ratios)}  "
            f"{sums['found_nothing']:7.0f}  {group['seconds'].max():5.1f} s"
        )


PAIRS = (
    ("right", "parameters"),
    ("covered", "intervals"),
    ("named", "failing"),
    ("accused", "good"),
)
RATIOS = [name for pair in PAIRS for name in pair]


if __name__ == "__main__":
    main()
