"""Plots of the scores of plates."""

import math
from pathlib import Path
from typing import Any, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from focusqual.inference.display import BAR_CERTAINTY
from focusqual.inference.picture import level_colors
from focusqual.levels import LEVELS
from focusqual.report.audit import FAILURE, PlateAudit
from focusqual.report.verdicts import BLANK, COLORS, NOT_MEASURED
from focusqual.report.wells import ROWS, plate_shape
from micrograph_networks.plotting import labeled_figure, literal, save_figure
from micrograph_networks.progress import counted

MAP_SIZE = (6.4, 5.2)
"""Width and height of the map of a plate in inches."""
LARGEST_FIGURE = 60
"""Maximum width and height of a figure in inches; the maps of many plates are smaller."""


def draw_score_histogram(path: Path, images: pd.DataFrame) -> None:
    """Draw the number of images with each score, blank ones in gray on top of the others.

    Parameters
    ----------
    path : Path
    images : DataFrame
        Its columns are score and verdict.
    """
    measured = images[images["verdict"] != NOT_MEASURED]
    is_blank = measured["verdict"] == BLANK
    shown, blank = measured["score"][~is_blank], measured["score"][is_blank]
    title = counted(len(shown), "image")
    if len(shown):
        title += f", median score {shown.median():g}"
    if len(blank):
        title += f"; {len(blank)} blank ones in gray"
    figure, axes = labeled_figure("Score (0 in focus)", "Images", title)
    counts, blanks = (np.bincount(s.astype(int), minlength=LEVELS) for s in (shown, blank))
    levels = np.arange(LEVELS)
    axes.bar(levels, counts, color=level_colors(levels, np.full(LEVELS, BAR_CERTAINTY)))
    gray = np.flatnonzero(blanks)
    axes.bar(gray, blanks[gray], bottom=counts[gray], color=COLORS[BLANK])
    for level in np.flatnonzero(counts + blanks):
        total = counts[level] + blanks[level]
        axes.text(level, total, str(total), ha="center", va="bottom")
    axes.set_xticks(levels)
    save_figure(figure, path)


def draw_plate_maps(path: Path, images: pd.DataFrame) -> None:
    """Draw a map of each plate with the mean score of each well; wells with only blanks are gray.

    Parameters
    ----------
    path : Path
    images : DataFrame
        Its columns are plate, row, col, score and verdict; all images have a well.
    """
    plates = list(images.groupby("plate"))
    across = math.ceil(math.sqrt(len(plates)))
    down = math.ceil(len(plates) / across)
    width, height = MAP_SIZE[0] * across, MAP_SIZE[1] * down
    scale = min(1, LARGEST_FIGURE / max(width, height))
    figure = Figure(figsize=(width * scale, height * scale), constrained_layout=True)
    for number, (plate, wells) in enumerate(plates, 1):
        axes = figure.add_subplot(down, across, number, xlabel="Column", ylabel="Row")
        axes.set_title(literal(f"Plate {plate}" if plate else "Blank wells are gray"))
        drawn = _draw_map(axes, wells, *plate_shape(images))
    label = "Mean score of each well (0 in focus)"
    figure.colorbar(drawn, ax=figure.axes, label=label, shrink=0.7)
    save_figure(figure, path)


def draw_surfaces(path: Path, audits: Sequence[PlateAudit], unit: str) -> None:
    """Draw the measured defocus of each plate and its surface side by side; failures are red."""
    width, height = 2 * MAP_SIZE[0], 0.8 * MAP_SIZE[1] * len(audits)
    scale = min(1, LARGEST_FIGURE / height)
    figure = Figure(figsize=(width * scale, height * scale), constrained_layout=True)
    axes = figure.subplots(len(audits), 2, squeeze=False)
    for (left, right), found in zip(axes, audits):
        shown = ~np.isin(found.verdict, (BLANK, NOT_MEASURED))
        failed = found.place[found.verdict == FAILURE].T
        size = 8000 * scale / max(40, len(shown)) + 2
        colors = {"vmin": 0, "vmax": (LEVELS - 1) * found.level, "s": size}
        x, y = found.place.T
        drawn = left.scatter(x[shown], y[shown], c=found.defocus[shown], **colors)
        right.scatter(x, y, c=found.expected, **colors)
        name = f"Plate {found.plate}".strip()
        for one, title in ((left, f"{name}, measured"), (right, f"{name}, surface")):
            one.scatter(*failed, s=3 * size, facecolors="none", edgecolors="red")
            one.set(title=literal(title), xlabel="x (mm)", ylabel="y (mm)", aspect="equal")
            one.invert_yaxis()
        figure.colorbar(drawn, ax=right, label=f"Defocus ({unit}); red: failure")
    save_figure(figure, path)


def _draw_map(axes: Axes, images: pd.DataFrame, rows: int, cols: int) -> Any:
    """Draw the map of one plate; return its colors for the color bar."""
    is_blank = images["verdict"] == BLANK
    blank = np.full((rows, cols), np.nan)
    blank[images["row"][is_blank], images["col"][is_blank]] = 0
    axes.imshow(blank, cmap=ListedColormap([COLORS[BLANK]]))
    # Where a well has other images as well, their mean covers the gray.
    shown = images[~images["verdict"].isin([BLANK, NOT_MEASURED])]
    scores = np.full((rows, cols), np.nan)
    for (row, col), score in shown.groupby(["row", "col"])["score"].mean().items():
        scores[row, col] = score
    drawn = axes.imshow(scores, cmap="viridis", vmin=0, vmax=LEVELS - 1)
    axes.set_xticks(range(cols))
    axes.set_xticklabels([str(col + 1) for col in range(cols)], size=_label_size(cols))
    axes.set_yticks(range(rows))
    axes.set_yticklabels(ROWS[:rows], size=_label_size(rows))
    return drawn


def _label_size(count: int) -> float:
    """Return a font size in points at which this many labels of an axis do not touch."""
    return 7 if count <= 24 else 4
