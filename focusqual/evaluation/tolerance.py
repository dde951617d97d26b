"""Tolerance of an assay: how its measurements change with defocus."""

from pathlib import Path
from typing import Any, Dict, List, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from focusqual.evaluation.pipeline_jobs import Measurements
from micrograph_networks.errors import UserError
from micrograph_networks.plotting import literal, save_figure

LEVELS_TRIED = range(7)
"""Levels at which an assay is measured; 0 are the images as they are."""
COUNTS, SIZE_AND_SHAPE, OTHER = "counts", "size and shape", "other"
CATEGORIES = {
    "Count": COUNTS,
    "AreaShape": SIZE_AND_SHAPE,
    "Intensity": "intensity",
    "Texture": "texture",
    "Granularity": "granularity",
    "RadialDistribution": "radial distribution",
}
"""Category of a feature by the start of its name."""
AREA = "AreaShape_Area"
SHIFT = "level_"
"""Start of the names of the columns of shifts."""
SMALL, MEDIUM = 0.2, 0.5
"""Small and medium effects by Cohen (1988, Statistical Power Analysis, section 2.2), in standard
deviations."""
COUNT_LIMIT = 5.0
"""Largest tolerated change of a count in percent."""
BEYOND = ("beyond_0.2", "beyond_0.5", "beyond_5_percent")
"""Columns of the first level at which a feature has changed by more than these limits."""


def compare_levels(measured: Dict[int, Measurements]) -> pd.DataFrame:
    """Compare the measurements at each level with those at level 0.

    Parameters
    ----------
    measured : dict of int to Measurements
        From :func:`focusqual.evaluation.pipeline_jobs.measure_levels`, with level 0.

    Returns
    -------
    DataFrame
        One row per feature: ``feature``, ``object`` (Image for features of whole images),
        ``category``; ``level_1`` and so on: for counts the change of the total in percent, for
        others the mean over images of the shift of the median in standard deviations at level 0
        (Cohen's d), NaN if these do not vary; and BEYOND, NaN if no level is beyond the limit.

    Raises
    ------
    UserError
        There are no objects at level 0.
    """
    sharp = measured[0]
    of_images = sharp.get("Image", {})
    counts = [values for name, values in of_images.items() if _category(name) == COUNTS]
    if counts and not any(map(_total, counts)):
        raise UserError("The pipeline finds no objects in the images as they are: give others.")
    levels = [level for level in measured if level]
    rows = []
    for name, features in sharp.items():
        for feature, values in features.items():
            shift = _change if _category(feature) == COUNTS else _effect
            later = [measured[level].get(name, {}).get(feature) for level in levels]
            shifts = [np.nan if one is None else shift(values, one) for one in later]
            rows.append([feature, name, _category(feature), *shifts])
    columns = [f"{SHIFT}{level}" for level in levels]
    table = pd.DataFrame(rows, columns=["feature", "object", "category", *columns])
    is_count = table["category"] == COUNTS
    # At a level without objects, all other features are lost.
    lost = table[columns].isna() & table[columns].notna().any(axis=1).to_numpy()[:, None]
    for column, limit in zip(BEYOND, (SMALL, MEDIUM, COUNT_LIMIT)):
        beyond = (table[columns].abs() > limit) | lost
        first = beyond.to_numpy().argmax(axis=1)
        found = beyond.any(axis=1) & (is_count == (limit == COUNT_LIMIT))
        table[column] = np.where(found, np.array(levels)[first], np.nan)
    return table.sort_values(["category", "object", "feature"], ignore_index=True)


def _levels(table: pd.DataFrame) -> List[str]:
    """Return the columns of the shifts."""
    return [column for column in table if column.startswith(SHIFT)]


def _category(feature: str) -> str:
    return CATEGORIES.get(feature.split("_")[0], OTHER)


def _total(counts: Sequence[Sequence[float]]) -> float:
    return float(np.nansum(np.array(counts)[:, 2]))


def _change(sharp: Sequence[Sequence[float]], blurred: Sequence[Sequence[float]]) -> float:
    """Return the change of a count in percent."""
    before, after = _total(sharp), _total(blurred)
    return 100 * (after - before) / before if before else np.nan


def _effect(sharp: Sequence[Sequence[float]], blurred: Sequence[Sequence[float]]) -> float:
    """Return the mean shift of the median per image in standard deviations over objects."""
    number, median, mean, variance = np.array(sharp, dtype=float).T
    known = number > 0
    if not known.any():
        return np.nan
    weights = number[known] / number.sum()
    center = weights @ mean[known]
    deviation = np.sqrt(weights @ (variance[known] + (mean[known] - center) ** 2))
    shift = np.array(blurred, dtype=float)[:, 1] - median
    shift = shift[np.isfinite(shift)]
    # A feature that does not vary has rounding errors.
    if not len(shift) or deviation <= 1e-9 * abs(center):
        return np.nan
    return float(shift.mean() / deviation)


def tolerated_levels(table: pd.DataFrame) -> Dict[str, int]:
    """Return the highest tolerated level of the counts and of the areas.

    Parameters
    ----------
    table : DataFrame
        From :func:`compare_levels`.

    Returns
    -------
    dict of str to int
        "counts" and "area of OBJECT", for the objects that tolerate least; if the pipeline measures
        neither, its categories, see :func:`category_levels`.
    """
    highest = len(_levels(table))
    areas = table[table["feature"] == AREA]
    found = {}
    for name, rows, column in (
        ("counts", table[table["category"] == COUNTS], BEYOND[2]),
        ("area of {}", areas, BEYOND[0]),
    ):
        if len(rows):
            tolerated = (rows[column] - 1).fillna(highest)
            worst = tolerated.idxmin()
            found[name.format(rows["object"][worst])] = int(tolerated[worst])
    return found or category_levels(table)


def category_curves(table: pd.DataFrame) -> pd.DataFrame:
    """Return the median of the absolute shifts of each category, by category and level."""
    medians = table[_levels(table)].abs().groupby(table["category"]).median()
    order = [name for name in CATEGORIES.values() if name in medians.index and name != COUNTS]
    return medians.loc[order].dropna(how="all")


def category_levels(table: pd.DataFrame) -> Dict[str, int]:
    """Return the highest level at which half of the features of a category are within SMALL."""
    within = category_curves(table) <= SMALL
    return within.cumprod(axis=1).sum(axis=1).astype(int).to_dict()


def sentence(tolerated: Dict[str, int]) -> str:
    """Say which levels are tolerated, and what to exclude."""
    if not tolerated:
        return "The pipeline measures no counts, areas or other features of a known category."
    text = ", ".join(f"{name} level {level}" for name, level in tolerated.items())
    text = text.replace(" level", f" tolerate{'' if text.startswith(COUNTS) else 's'} level", 1)
    return f"{text[0].upper()}{text[1:]}: exclude images above level {min(tolerated.values())}."


def summary(table: pd.DataFrame) -> Dict[str, Any]:
    """Return the tolerated levels, those of the categories, and the sentence, for JSON."""
    tolerated = tolerated_levels(table)
    return {
        "sentence": sentence(tolerated),
        "tolerated": tolerated,
        "categories": category_levels(table),
    }


def draw_tolerance(path: Path, table: pd.DataFrame) -> None:
    """Draw the changes of the counts, and those of the other categories, against the level."""
    figure = Figure(figsize=(10, 4.4), constrained_layout=True)
    columns = _levels(table)
    levels = range(len(columns) + 1)
    counts = table[table["category"] == COUNTS].groupby(columns)["feature"]
    left = figure.add_subplot(1, 2, 1, xlabel="Level", ylabel="Change in percent", title="Counts")
    for shifts, names in counts:  # some objects may have the same counts
        label = literal(", ".join(name.split("_", 1)[1] for name in names))
        left.plot(levels, [0, *shifts], marker="o", label=label)
    left.axhspan(-COUNT_LIMIT, COUNT_LIMIT, color="0.9", zorder=0)
    right = figure.add_subplot(1, 2, 2, xlabel="Level", title="Medians of the features")
    right.set_ylabel("Absolute shift in standard deviations")
    for name, values in category_curves(table).iterrows():
        right.plot(levels, [0, *values], marker="o", label=name)
    right.axhspan(0, SMALL, color="0.9", zorder=0)
    for axes in (left, right):
        axes.set_xticks(levels)
        if axes.lines:
            axes.legend()
    save_figure(figure, path)
