"""Plots of a training, drawn without a display."""

from pathlib import Path
from typing import Sequence

from matplotlib import colormaps

from micrograph_networks.plotting import labeled_figure, save_figure
from micrograph_networks.training.run import Epoch
from segment.classes import PixelClass

PARTS = (("training crops", "", ":"), ("validation", "validation_", "-"))
"""Name, prefix of the columns in training.csv, and line style of each curve."""


def draw_training(folder: Path, epochs: Sequence[Epoch], classes: Sequence[PixelClass]) -> None:
    """Draw loss.png and iou.png: the loss and the IoU of each class over the epochs."""
    numbers = [epoch["epoch"] for epoch in epochs]
    figure, axes = labeled_figure("Epoch", "Loss", "Loss of the training crops")
    axes.plot(numbers, [epoch["loss"] for epoch in epochs], color="black")
    save_figure(figure, folder / "loss.png")
    figure, axes = labeled_figure("Epoch", "IoU", "Intersection over union")
    axes.set_ylim(0, 1)
    for index, one in enumerate(classes):
        color = colormaps["tab10"](index)
        for part, prefix, style in PARTS:
            column = f"{prefix}iou_{one.in_names}"
            if column in epochs[0]:
                values = [epoch[column] for epoch in epochs]
                axes.plot(
                    numbers, values, color=color, linestyle=style, label=f"{one.name}, {part}"
                )
    figure.legend(loc="outside lower center", ncol=2)
    save_figure(figure, folder / "iou.png")
