"""Plots of an evaluation, drawn without a display."""

from pathlib import Path
from typing import List, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from focusqual.evaluation.scores import reliability
from focusqual.evaluation.stacks import IN_FOCUS, MeasuredPlane, blur_by_method, by_stack
from focusqual.levels import LEVELS
from micrograph_networks.plotting import labeled_figure, save_figure


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
    figure, axes = labeled_figure("Predicted level", "True level", title)
    drawn = axes.imshow(shares, cmap="viridis", vmin=0, vmax=1, origin="lower")
    axes.set(xticks=range(LEVELS), yticks=range(LEVELS))
    figure.colorbar(drawn, label="Share of the true level")
    for (row, col), share in np.ndenumerate(shares):
        if share >= 0.005:
            color = "black" if share > 0.6 else "white"
            axes.text(col, row, f"{share:.2f}", ha="center", va="center", size=6, color=color)
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
    figure, axes = labeled_figure(
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


def draw_stacks(path: Path, measured: Sequence[MeasuredPlane]) -> None:
    """Draw for every stack what each measure says of its planes against their distance to focus.

    The expected level is on its own scale of 0 to 10; the classical measures, which have none, are
    turned round and stretched to the same height within the stack. The gray band is in focus.

    Parameters
    ----------
    path : Path
    measured : list of MeasuredPlane
    """
    stacks = by_stack(measured)
    columns = int(np.ceil(np.sqrt(len(stacks))))
    rows = -(-len(stacks) // columns)
    width, height = 3.4 * columns + 0.5, 2.6 * rows + 1.4
    figure = Figure(figsize=(width, height))
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for axes, planes in zip(panels.ravel(), stacks):
        _draw_stack(axes, planes)
    for axes in panels.ravel()[len(stacks) :]:
        axes.set_visible(False)
    # In inches: labels to the left and below, and the legend above.
    edges = {"left": 0.7 / width, "right": 1 - 0.1 / width, "bottom": 0.6 / height}
    figure.subplots_adjust(**edges, top=1 - 1.15 / height, hspace=0.4, wspace=0.08)
    figure.text(0.5, 0.1 / height, "Distance to the focus (unit of the table)", ha="center")
    level = "Level (classical measures: sharpest 0, least sharp 10)"
    figure.text(0.1 / width, 0.5, level, rotation="vertical", va="center")
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="upper center", ncol=2)
    save_figure(figure, path)


def _draw_stack(axes: Axes, measured: List[MeasuredPlane]) -> None:
    first = measured[0].plane
    offsets = [m.plane.position - m.plane.focus for m in measured]
    depth = IN_FOCUS * first.depth_of_field
    axes.axvspan(-depth, depth, color="0.9", label="in focus")
    ours, *classical = blur_by_method(measured).items()
    for (name, blur), color in zip(classical, ("tab:orange", "tab:green")):
        shown = (LEVELS - 1) * (blur - blur.min()) / max(np.ptp(blur), 1e-12)
        axes.plot(offsets, shown, color=color, linestyle="--", linewidth=1, label=name)
    name, levels = ours
    axes.plot(offsets, levels, color="tab:blue", label=name)
    sizes = [60 * m.certainty + 4 for m in measured]
    axes.scatter(offsets, levels, s=sizes, color="tab:blue", label="its certainty (area)")
    axes.set(title=first.stack, ylim=(-0.5, LEVELS - 0.5))
