"""Plots and pictures of a training, drawn without a display."""

import numpy as np
from matplotlib import colormaps

from micrograph_networks.images.image_files import write_png
from micrograph_networks.plotting import labelled_figure, save_figure
from segment.classes import COLOURS
from segment.inference.picture import draw_outlines


def training_curves(folder, log, class_names):
    """Draw loss.png and iou.png: the loss, and the IoU of each class, after every epoch.

    Parameters
    ----------
    folder : Path
    log : list of dict of str to float
        Rows of training.csv.
    class_names : sequence of str
    """
    epochs = [row["epoch"] for row in log]
    figure, axes = labelled_figure("Epoch", "Loss", "Loss of the training crops")
    axes.plot(epochs, [row["loss"] for row in log], color="black")
    save_figure(figure, folder / "loss.png")
    figure, axes = labelled_figure("Epoch", "IoU", "Intersection over union")
    axes.set_ylim(0, 1)
    for index, name in enumerate(class_names):
        colour = colormaps["tab10"](index)
        for prefix, style in (("", ":"), ("validation_", "-")):
            values = [row[f"{prefix}iou_{name}"] for row in log]
            part = "validation" if prefix else "training crops"
            axes.plot(epochs, values, color=colour, linestyle=style, label=f"{name}, {part}")
    figure.legend(loc="outside lower center", ncol=2)
    save_figure(figure, folder / "iou.png")


def compare_outlines(path, sample, predicted):
    """Draw the true outlines on an image and, beside it, the predicted ones.

    Parameters
    ----------
    path : Path
        Of the PNG.
    sample : Sample
    predicted : ndarray of int, (height, width)
        Class indices.
    """
    pictures = [_outlined(sample.image, classes) for classes in (sample.mask, predicted)]
    write_png(path, np.concatenate(pictures, axis=1))


def _outlined(image, classes):
    picture = image.copy()
    for index in range(1, classes.max() + 1):
        draw_outlines(picture, classes == index, (index - 1) % (len(COLOURS) - 1) + 1)
    return picture
