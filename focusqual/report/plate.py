"""Plots of the measurements of a plate, drawn without a display."""

import re
import string
from pathlib import Path
from typing import Optional, Sequence, Tuple

import numpy as np

from focusqual.inference.picture import level_colors
from focusqual.levels import LEVELS
from micrograph_networks.plotting import labeled_figure, save_figure

WELL = re.compile(r"(?<![A-Za-z0-9])([A-Pa-p])(0[1-9]|1[0-9]|2[0-4])(?![0-9])")
"""Wells A01 to P24 in file names, such as plate1_a01_s1.tif."""


def draw_score_histogram(path: Path, scores: np.ndarray) -> None:
    """Draw how many images have which score.

    Parameters
    ----------
    path : Path
    scores : ndarray of float, (n,)
        NaN is left out.
    """
    scores = scores[np.isfinite(scores)]
    figure, axes = labeled_figure(
        "Score (0 in focus)", "Images", f"{len(scores)} images, median score {np.median(scores):g}"
    )
    counts = np.bincount(scores.astype(int), minlength=LEVELS)
    levels = np.arange(LEVELS)
    axes.bar(levels, counts, color=level_colors(levels, np.full(LEVELS, 0.85)))
    for level in np.flatnonzero(counts):
        axes.text(level, counts[level], str(counts[level]), ha="center", va="bottom")
    axes.set_xticks(levels)
    save_figure(figure, path)


def well_of(name: str) -> Optional[Tuple[int, int]]:
    """Row and column, from 0 on, of the well that a file name holds; None if it holds none."""
    match = WELL.search(name)
    if match is None:
        return None
    return (string.ascii_uppercase.index(match[1].upper()), int(match[2]) - 1)


def plate_shape(row_numbers: np.ndarray, col_numbers: np.ndarray) -> Tuple[int, int]:
    """Rows and columns of the plate that holds wells: 96 of them where that suffices, or 384."""
    return (8, 12) if row_numbers.max() < 8 and col_numbers.max() < 12 else (16, 24)


def draw_plate_map(path: Path, wells: Sequence[Tuple[int, int]], scores: np.ndarray) -> None:
    """Draw the mean score of every well of a 96- or 384-well plate.

    Parameters
    ----------
    path : Path
    wells : list of (int, int)
        Rows and columns from 0 on.
    scores : ndarray of float, (n,)
    """
    row_numbers, col_numbers = np.transpose(wells)
    shape = plate_shape(row_numbers, col_numbers)
    sums, counts = np.zeros(shape), np.zeros(shape)
    known = np.isfinite(scores)
    np.add.at(sums, (row_numbers[known], col_numbers[known]), scores[known])
    np.add.at(counts, (row_numbers[known], col_numbers[known]), 1)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    figure, axes = labeled_figure("Column", "Row", "Mean score of each well (0 in focus)")
    drawn = axes.imshow(means, cmap="viridis", vmin=0, vmax=LEVELS - 1)
    axes.set_xticks(range(shape[1]))
    axes.set_xticklabels([str(col + 1) for col in range(shape[1])], size=7)
    axes.set_yticks(range(shape[0]))
    axes.set_yticklabels(string.ascii_uppercase[: shape[0]], size=7)
    figure.colorbar(drawn, label="Score", shrink=0.7)
    save_figure(figure, path)
