"""Plot of a training."""

from pathlib import Path
from typing import Sequence

from micrograph_networks.plotting import labeled_figure, save_figure
from micrograph_networks.training.run import Epoch


def draw_training(path: Path, epochs: Sequence[Epoch]) -> None:
    """Draw the loss and the validation accuracy of every epoch.

    Parameters
    ----------
    path : Path
    epochs : sequence of Epoch
    """
    numbers = [epoch["epoch"] for epoch in epochs]
    figure, axes = labeled_figure("Epoch", "Loss", "Training")
    axes.plot(numbers, [epoch["loss"] for epoch in epochs], color="tab:red", label="training loss")
    right = axes.twinx()
    right.set(ylabel="Share of validation patches", ylim=(0, 1))
    for name, style in (("exact", ":"), ("within_one", "-")):
        values = [epoch[name] for epoch in epochs]
        label = f"{name.replace('_', ' ')} level"
        right.plot(numbers, values, color="tab:blue", linestyle=style, label=label)
    figure.legend(loc="outside lower center", ncol=3)
    save_figure(figure, path)
