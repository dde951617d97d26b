"""Plots of training, evaluation and plates, drawn without a display."""

import re
import string

import numpy as np

from focusqual.evaluation.scores import reliability
from focusqual.inference.picture import level_colours
from focusqual.simulation.optics import LEVELS
from micrograph_networks.plotting import labelled_figure, save_figure

WELL = re.compile(r"(?<![A-Za-z0-9])([A-Pa-p])(0[1-9]|1[0-9]|2[0-4])(?![0-9])")
"""Wells A01 to P24 in file names, such as plate1_a01_s1.tif."""


def confusion_matrix(path, levels, predicted, title):
    """Draw how often each true level was predicted as which, rows summing to 1.

    Parameters
    ----------
    path : Path
        Of the PNG.
    levels, predicted : ndarray of int, (n,)
    title : str
    """
    counts = np.zeros((LEVELS, LEVELS))
    np.add.at(counts, (levels, predicted), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = labelled_figure("Predicted level", "True level", title)
    drawn = axes.imshow(shares, cmap="viridis", vmin=0, vmax=1, origin="lower")
    axes.set(xticks=range(LEVELS), yticks=range(LEVELS))
    figure.colorbar(drawn, label="Share of the true level")
    for (row, col), share in np.ndenumerate(shares):
        if share >= 0.005:
            colour = "black" if share > 0.6 else "white"
            axes.text(col, row, f"{share:.2f}", ha="center", va="center", size=6, color=colour)
    save_figure(figure, path)


def reliability_diagram(path, probabilities, levels, error):
    """Draw accuracy against confidence; a calibrated model lies on the diagonal.

    Parameters
    ----------
    path : Path
    probabilities : ndarray, (n, 11)
    levels : ndarray of int, (n,)
    error : float
        Expected calibration error, for the title.
    """
    counts, confidence, accuracy = reliability(probabilities, levels)
    filled = counts > 0
    figure, axes = labelled_figure(
        "Probability of the most likely level",
        "Share that is right",
        f"Expected calibration error {error:.3f}",
    )
    axes.plot([0, 1], [0, 1], color="0.6", linestyle="--", label="calibrated")
    sizes = 200 * counts[filled] / counts.max() + 8
    axes.scatter(confidence[filled], accuracy[filled], s=sizes, label="patches (area: how many)")
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.legend(loc="upper left")
    save_figure(figure, path)


def training_curves(path, log):
    """Draw loss and validation accuracy of every epoch.

    Parameters
    ----------
    path : Path
    log : list of dict of str to float
        Rows of training.csv.
    """
    epochs = [row["epoch"] for row in log]
    figure, axes = labelled_figure("Epoch", "Loss", "Training")
    axes.plot(epochs, [row["loss"] for row in log], color="tab:red", label="training loss")
    right = axes.twinx()
    right.set(ylabel="Share of validation patches", ylim=(0, 1))
    for name, style in (("exact", ":"), ("within_one", "-")):
        values = [row[name] for row in log]
        label = f"{name.replace('_', ' ')} level"
        right.plot(epochs, values, color="tab:blue", linestyle=style, label=label)
    figure.legend(loc="outside lower center", ncol=3)
    save_figure(figure, path)


def score_histogram(path, scores):
    """Draw how many images have which score.

    Parameters
    ----------
    path : Path
    scores : ndarray of float, (n,)
        NaN is left out.
    """
    scores = scores[np.isfinite(scores)]
    figure, axes = labelled_figure(
        "Score (0 in focus)", "Images", f"{len(scores)} images, median score {np.median(scores):g}"
    )
    counts = np.bincount(scores.astype(int), minlength=LEVELS)
    levels = np.arange(LEVELS)
    bars = axes.bar(levels, counts, color=level_colours(levels, np.full(LEVELS, 0.85)))
    axes.bar_label(bars, [str(count) if count else "" for count in counts])
    axes.set_xticks(levels)
    save_figure(figure, path)


def well_of(name):
    """Row and column, from 0 on, of the well that a file name holds; None if it holds none."""
    match = WELL.search(name)
    return match and (string.ascii_uppercase.index(match[1].upper()), int(match[2]) - 1)


def plate_map(path, wells, scores):
    """Draw the mean score of every well of a 96- or 384-well plate.

    Parameters
    ----------
    path : Path
    wells : list of (int, int)
        Rows and columns from 0 on.
    scores : ndarray of float, (n,)
    """
    row_numbers, col_numbers = np.transpose(wells)
    small = row_numbers.max() < 8 and col_numbers.max() < 12
    shape = (8, 12) if small else (16, 24)
    sums, counts = np.zeros(shape), np.zeros(shape)
    known = np.isfinite(scores)
    np.add.at(sums, (row_numbers[known], col_numbers[known]), scores[known])
    np.add.at(counts, (row_numbers[known], col_numbers[known]), 1)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    figure, axes = labelled_figure("Column", "Row", "Mean score of each well (0 in focus)")
    drawn = axes.imshow(means, cmap="viridis", vmin=0, vmax=LEVELS - 1)
    axes.set_xticks(range(shape[1]), [str(col + 1) for col in range(shape[1])], size=7)
    axes.set_yticks(range(shape[0]), string.ascii_uppercase[: shape[0]], size=7)
    figure.colorbar(drawn, label="Score", shrink=0.7)
    save_figure(figure, path)
