"""Helpers for the figures that CellProfiler's modules display."""

from typing import Any, Callable, Optional, Sequence, Tuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import interpolations_names

SMOOTH = "antialiased" if "antialiased" in interpolations_names else "hanning"
"""Interpolation of images with thin lines, which CellProfiler's default, nearest, mostly drops.

The CellProfiler application has Matplotlib 3.1, which does not know "antialiased"."""
OUTSIDE = 2**31
"""Coordinate in pixels that is larger than any image."""


def reserve_table(figure: Figure, height: float) -> None:
    """Keep the lower part of a figure free for CellProfiler's table, which the layout ignores.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    height : float
        Fraction of the figure that the table takes.
    """
    if hasattr(figure, "get_layout_engine"):
        figure.get_layout_engine().set(rect=(0, height, 1, 1 - height), w_pad=0.04)
    else:  # Matplotlib 3.1
        figure.set_constrained_layout(False)
        figure.subplots_adjust(0.08, height + 0.12, 0.97, 0.92, wspace=0.35, hspace=0.35)


def on_click(
    figure: Any, pictures: Sequence[Axes], act: Callable[[Optional[Tuple[float, float]]], None]
) -> None:
    """Call a function when the user clicks with the left button, and redraw the figure.

    Nothing is called while the tool that zooms or the one that moves the images is active.

    Parameters
    ----------
    figure : cellprofiler.gui.figure.Figure
    pictures : sequence of matplotlib.axes.Axes
    act : callable
        Function of x and y in the picture that is clicked, or of None if none is.
    """

    def on_press(event: Any) -> None:
        if event.button == 1 and not event.canvas.widgetlock.locked():
            act((event.xdata, event.ydata) if event.inaxes in pictures else None)
            event.canvas.draw_idle()

    connection = figure.figure.canvas.mpl_connect("button_press_event", on_press)
    figure.event_bindings["mouse", "click"] = [connection]


def show_under_mouse(
    figure: Any, axes: Axes, describe: Callable[[float, float], Sequence[str]]
) -> None:
    """Show what is under the mouse in the status bar of CellProfiler's figure.

    Parameters
    ----------
    figure : cellprofiler.gui.figure.Figure
    axes : matplotlib.axes.Axes
    describe : callable
        Function from x and y in the axes to texts for the status bar.
    """

    def on_move(event: Any) -> None:
        if event.inaxes is axes:
            fields = [f"X: {event.xdata:.0f}", f"Y: {event.ydata:.0f}"]
            fields += describe(event.xdata, event.ydata)
            figure.status_bar.SetFieldsCount(len(fields))
            for number, field in enumerate(fields):
                figure.status_bar.SetStatusText(field, i=number)

    # Use a key of our own: CellProfiler binds the keys of subplots again when it redraws one. It
    # disconnects all of them when it clears the figure.
    connection = figure.figure.canvas.mpl_connect("motion_notify_event", on_move)
    figure.event_bindings["mouse", id(axes)] = [connection]


def remove_lines_outside(axes: Axes) -> None:
    """Remove lines that CellProfiler draws far outside the image, next to outlines at its border.

    CellProfiler computes outlines in unsigned integers, so the pixel before the first one is at
    4294967295.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Axes with outlines.
    """
    for outlines in axes.collections:
        lines = outlines.get_segments()
        outlines.set_segments([line for line in lines if line.max() < OUTSIDE])
