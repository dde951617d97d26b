"""Figures drawn without a display."""

from pathlib import Path
from typing import Tuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from micrograph_networks.files.ownership import mark
from micrograph_networks.files.tables import escaped
from micrograph_networks.files.writing import atomic_write


def labeled_figure(xlabel: str, ylabel: str, title: str) -> Tuple[Figure, Axes]:
    """Return a new figure and its only axes."""
    # Figure without pyplot: no global state, no display.
    figure = Figure(figsize=(6.4, 5.2), constrained_layout=True)
    axes = figure.add_subplot(xlabel=xlabel, ylabel=ylabel, title=title)
    return figure, axes


def literal(text: str) -> str:
    """Return a text that Matplotlib draws as it is, with dollar signs and not as a formula."""
    return escaped(text).replace("$", r"\$")


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure atomically as PNG, with the mark of the running command."""
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=150, metadata={"Software": mark() or "Matplotlib"})
