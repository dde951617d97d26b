"""Plots and pictures of a training, drawn without a display."""

from pathlib import Path
from typing import Sequence

import numpy as np
from matplotlib import colormaps

from micrograph_networks.images.image_files import write_png
from micrograph_networks.plotting import labeled_figure, save_figure
from micrograph_networks.training.run import Epoch
from segment.annotations.dataset import Sample
from segment.classes import PixelClass
from segment.inference.picture import class_regions, overlay


def draw_training(folder: Path, epochs: Sequence[Epoch], class_names: Sequence[str]) -> None:
    """Draw loss.png and iou.png: the loss, and the IoU of each class, after every epoch.

    Parameters
    ----------
    folder : Path
    epochs : sequence of Epoch
    class_names : sequence of str
    """
    numbers = [epoch["epoch"] for epoch in epochs]
    figure, axes = labeled_figure("Epoch", "Loss", "Loss of the training crops")
    axes.plot(numbers, [epoch["loss"] for epoch in epochs], color="black")
    save_figure(figure, folder / "loss.png")
    figure, axes = labeled_figure("Epoch", "IoU", "Intersection over union")
    axes.set_ylim(0, 1)
    for index, name in enumerate(class_names):
        color = colormaps["tab10"](index)
        for prefix, style in (("", ":"), ("validation_", "-")):
            if f"{prefix}iou_{name}" not in epochs[0]:
                continue
            values = [epoch[f"{prefix}iou_{name}"] for epoch in epochs]
            part = "validation" if prefix else "training crops"
            axes.plot(numbers, values, color=color, linestyle=style, label=f"{name}, {part}")
    figure.legend(loc="outside lower center", ncol=2)
    save_figure(figure, folder / "iou.png")


def compare_outlines(
    path: Path, sample: Sample, predicted: np.ndarray, classes: Sequence[PixelClass]
) -> None:
    """Draw the true outlines on an image and, beside it, the predicted ones.

    Parameters
    ----------
    path : Path
        Of the PNG.
    sample : Sample
    predicted : ndarray of int, (height, width)
        Class indices.
    classes : sequence of PixelClass
    """
    pictures = [
        overlay(sample.image, class_regions(indices, classes))
        for indices in (sample.mask, predicted)
    ]
    write_png(path, np.concatenate(pictures, axis=1))
