"""Figures drawn without a display."""

from matplotlib.figure import Figure

from micrograph_networks.files.writing import whole_file


def labelled_figure(xlabel, ylabel, title):
    """A figure with one pair of axes.

    Returns
    -------
    matplotlib.figure.Figure, matplotlib.axes.Axes
    """
    # Figure without pyplot: no global state, no display.
    figure = Figure(figsize=(6.4, 5.2), layout="constrained")
    axes = figure.add_subplot(xlabel=xlabel, ylabel=ylabel, title=title)
    return figure, axes


def save_figure(figure, path):
    """Write a figure as its suffix says, whole or not at all.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    path : Path
    """
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=150)
