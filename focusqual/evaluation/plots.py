"""Plots of an evaluation."""

from pathlib import Path
from typing import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from focusqual.evaluation.evaluate import MeasuredImage, foreground
from focusqual.evaluation.scores import confidence_counts
from focusqual.evaluation.stacks import (
    IN_FOCUS,
    blur_by_method,
    defocus_accuracy,
    within_levels,
)
from focusqual.levels import LEVELS
from micrograph_networks.evaluation.calibration import expected_calibration_error
from micrograph_networks.plotting import labeled_figure, literal, save_figure

MOST_NAMED = 12
"""Maximum number of stacks that a legend names."""


def draw_evaluation(folder: Path, measured: Sequence[MeasuredImage]) -> None:
    """Draw confusion_images.png, and confusion_patches.png and reliability.png of the foreground.

    The latter two are not drawn if there are no foreground patches.
    """
    levels = np.array([image.level for image in measured])
    scores = np.array([image.measurement.summary["score"] for image in measured])
    known = np.isfinite(scores)
    _draw_confusion(
        folder / "confusion_images.png", levels[known], scores[known].astype(int), "Images"
    )
    probabilities, patch_levels = foreground(measured)
    if len(patch_levels):
        predicted = probabilities.argmax(axis=1)
        path = folder / "confusion_patches.png"
        _draw_confusion(path, patch_levels, predicted, "Foreground patches")
        _draw_reliability(folder / "reliability.png", probabilities, patch_levels)


def _draw_confusion(path: Path, levels: np.ndarray, predicted: np.ndarray, title: str) -> None:
    """Draw the shares of the predicted levels for each true level; rows sum to 1."""
    counts = np.zeros((LEVELS, LEVELS))
    np.add.at(counts, (levels, predicted), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = labeled_figure("Predicted level", "True level", title)
    drawn = axes.imshow(shares, cmap="viridis", vmin=0, vmax=1, origin="lower")
    axes.set(xticks=range(LEVELS), yticks=range(LEVELS))
    figure.colorbar(drawn, label="Share of the true level")
    for (row, col), share in np.ndenumerate(shares):
        if share >= 0.005:
            color = "black" if share > 0.6 else "white"
            axes.text(col, row, f"{share:.2f}", ha="center", va="center", size=6, color=color)
    save_figure(figure, path)


def _draw_reliability(path: Path, probabilities: np.ndarray, levels: np.ndarray) -> None:
    """Draw accuracy against confidence; a calibrated model lies on the diagonal."""
    bins = confidence_counts(probabilities, levels)
    counts, confidence, right = bins[:, bins[0] > 0]
    figure, axes = labeled_figure(
        "Probability of the most likely level",
        "Share that is right",
        f"Expected calibration error {expected_calibration_error(bins):.3f}",
    )
    axes.plot([0, 1], [0, 1], color="0.6", linestyle="--", label="calibrated")
    sizes = 200 * counts / counts.max() + 8
    axes.scatter(confidence / counts, right / counts, s=sizes, label="patches (area: number)")
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.legend(loc="upper left")
    save_figure(figure, path)


def draw_stacks(path: Path, measured: pd.DataFrame) -> None:
    """Draw the blur of each plane by each method against its distance to the focus.

    Each stack has a panel. The expected level is on its own scale of 0 to 10; the classical
    measures are scaled to the same height within each stack. The gray band is in focus. The table
    is that of :func:`focusqual.evaluation.stacks.measure_planes`.
    """
    stacks = list(measured.groupby("stack"))
    columns = int(np.ceil(np.sqrt(len(stacks))))
    rows = -(-len(stacks) // columns)
    width, height = 3.4 * columns + 0.5, 2.6 * rows + 1.4
    figure = Figure(figsize=(width, height))
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for axes, (name, planes) in zip(panels.ravel(), stacks):
        _draw_stack(axes, planes)
        axes.set(title=name, ylim=(-0.5, LEVELS - 0.5))
    for axes in panels.ravel()[len(stacks) :]:
        axes.set_visible(False)
    # Margins in inches: labels to the left and below, the legend above.
    edges = {"left": 0.7 / width, "right": 1 - 0.1 / width, "bottom": 0.6 / height}
    figure.subplots_adjust(**edges, top=1 - 1.15 / height, hspace=0.4, wspace=0.08)
    figure.text(0.5, 0.1 / height, "Distance to the focus (unit of the table)", ha="center")
    level = "Level (classical measures: sharpest 0, least sharp 10)"
    figure.text(0.1 / width, 0.5, level, rotation="vertical", va="center")
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="upper center", ncol=2)
    save_figure(figure, path)


def draw_defocus(path: Path, measured: pd.DataFrame) -> None:
    """Draw the predicted defocus against the distance to the focus, for planes of known optics.

    The table is that of :func:`focusqual.evaluation.stacks.measure_planes`.
    """
    figures = defocus_accuracy(measured)
    title = "slope {defocus_slope:.2f}, mean error {defocus_mean_absolute_error_um:.2f} um".format(
        **figures
    )
    axes_labels = "Distance to the focus (um)", "Predicted defocus (um)"
    figure, axes = labeled_figure(*axes_labels, f"{figures['defocus_planes']} planes: {title}")
    for name, planes in measured[within_levels(measured)].groupby("stack"):
        axes.scatter(planes["distance"], planes["expected_defocus_um"], s=12, label=literal(name))
    end = axes.get_xlim()[1]
    axes.plot([0, end], [0, end], color="0.6", linestyle="--")
    if measured["stack"].nunique() <= MOST_NAMED:
        axes.legend()
    save_figure(figure, path)


def _draw_stack(axes: Axes, planes: pd.DataFrame) -> None:
    offsets = planes["position"] - planes["focus"]
    depth = IN_FOCUS * planes["depth_of_field"].iloc[0]
    axes.axvspan(-depth, depth, color="0.9", label="in focus")
    ours, *classical = blur_by_method(planes).items()
    for (name, blur), color in zip(classical, ("tab:orange", "tab:green")):
        shown = (LEVELS - 1) * (blur - blur.min()) / max(np.ptp(blur), 1e-12)
        axes.plot(offsets, shown, color=color, linestyle="--", linewidth=1, label=name)
    name, levels = ours
    axes.plot(offsets, levels, color="tab:blue", label=name)
    sizes = 60 * planes["certainty"] + 4
    axes.scatter(offsets, levels, s=sizes, color="tab:blue", label="its certainty (area)")
