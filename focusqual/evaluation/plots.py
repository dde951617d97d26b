"""Plots of an evaluation, drawn without a display."""

from pathlib import Path

import numpy as np

from focusqual.evaluation.scores import reliability
from focusqual.levels import LEVELS
from micrograph_networks.plotting import labelled_figure, save_figure


def draw_confusion(path: Path, levels: np.ndarray, predicted: np.ndarray, title: str) -> None:
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


def draw_reliability(
    path: Path, probabilities: np.ndarray, levels: np.ndarray, error: float
) -> None:
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
