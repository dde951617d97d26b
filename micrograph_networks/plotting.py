"""Figures drawn without a display."""

from pathlib import Path
from typing import Tuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from micrograph_networks.files.writing import atomic_write


def labeled_figure(xlabel: str, ylabel: str, title: str) -> Tuple[Figure, Axes]:
    """A figure with one pair of axes.

    Returns
    -------
    matplotlib.figure.Figure, matplotlib.axes.Axes
    """
    # Figure without pyplot: no global state, no display.
    figure = Figure(figsize=(6.4, 5.2), constrained_layout=True)
    axes = figure.add_subplot(xlabel=xlabel, ylabel=ylabel, title=title)
    return figure, axes


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as its suffix says, whole or not at all.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    path : Path
    """
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=150)
