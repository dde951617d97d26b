"""Plots of a training, drawn without a display."""

from pathlib import Path
from typing import Sequence

from matplotlib import colormaps

from micrograph_networks.plotting import labeled_figure, save_figure
from micrograph_networks.training.run import Epoch

PARTS = (("training crops", "", ":"), ("validation", "validation_", "-"))
"""Name, prefix of the columns in training.csv, and line style of each curve."""


def draw_training(folder: Path, epochs: Sequence[Epoch], class_names: Sequence[str]) -> None:
    """Draw loss.png and iou.png: the loss and the IoU of each class over the epochs."""
    numbers = [epoch["epoch"] for epoch in epochs]
    figure, axes = labeled_figure("Epoch", "Loss", "Loss of the training crops")
    axes.plot(numbers, [epoch["loss"] for epoch in epochs], color="black")
    save_figure(figure, folder / "loss.png")
    figure, axes = labeled_figure("Epoch", "IoU", "Intersection over union")
    axes.set_ylim(0, 1)
    for index, name in enumerate(class_names):
        color = colormaps["tab10"](index)
        for part, prefix, style in PARTS:
            column = f"{prefix}iou_{name}"
            if column in epochs[0]:
                values = [epoch[column] for epoch in epochs]
                axes.plot(numbers, values, color=color, linestyle=style, label=f"{name}, {part}")
    figure.legend(loc="outside lower center", ncol=2)
    save_figure(figure, folder / "iou.png")
