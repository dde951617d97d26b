"""Wells of a plate, and plots of its scores."""

import re
import string
from pathlib import Path
from typing import Optional, Tuple

import numpy as np
import pandas as pd

from focusqual.inference.display import BAR_CERTAINTY
from focusqual.inference.picture import level_colors
from focusqual.levels import LEVELS
from micrograph_networks.plotting import labeled_figure, save_figure

WELL = re.compile(r"(?<![A-Za-z0-9])([A-Pa-p])(0[1-9]|1[0-9]|2[0-4])(?![0-9])")
"""Wells A01 to P24 in file names, such as plate1_a01_s1.tif."""


def well_of(name: str) -> Optional[Tuple[int, int]]:
    """Return row and column, from 0, of the well in a file name; None if it contains none."""
    match = WELL.search(name)
    if match is None:
        return None
    return (string.ascii_uppercase.index(match[1].upper()), int(match[2]) - 1)


def plate_shape(images: pd.DataFrame) -> Tuple[int, int]:
    """Return the rows and columns of the 96-well or 384-well plate that contains these wells."""
    return (8, 12) if images["row"].max() < 8 and images["col"].max() < 12 else (16, 24)


def draw_score_histogram(path: Path, scores: np.ndarray) -> None:
    """Draw the number of images with each score; NaN is ignored."""
    scores = scores[np.isfinite(scores)]
    figure, axes = labeled_figure(
        "Score (0 in focus)", "Images", f"{len(scores)} images, median score {np.median(scores):g}"
    )
    counts = np.bincount(scores.astype(int), minlength=LEVELS)
    levels = np.arange(LEVELS)
    axes.bar(levels, counts, color=level_colors(levels, np.full(LEVELS, BAR_CERTAINTY)))
    for level in np.flatnonzero(counts):
        axes.text(level, counts[level], str(counts[level]), ha="center", va="bottom")
    axes.set_xticks(levels)
    save_figure(figure, path)


def draw_plate_map(path: Path, images: pd.DataFrame) -> None:
    """Draw the mean score of each well of a plate from the columns row, col and score."""
    rows, cols = plate_shape(images)
    means = images.groupby(["row", "col"])["score"].mean().unstack()
    means = means.reindex(index=range(rows), columns=range(cols))
    figure, axes = labeled_figure("Column", "Row", "Mean score of each well (0 in focus)")
    drawn = axes.imshow(means.to_numpy(), cmap="viridis", vmin=0, vmax=LEVELS - 1)
    axes.set_xticks(range(cols))
    axes.set_xticklabels([str(col + 1) for col in range(cols)], size=7)
    axes.set_yticks(range(rows))
    axes.set_yticklabels(string.ascii_uppercase[:rows], size=7)
    figure.colorbar(drawn, label="Score", shrink=0.7)
    save_figure(figure, path)
