"""What a figure shows of measurements: pictures, level distributions, their legend, and a table."""

from typing import TYPE_CHECKING, List, NamedTuple, Optional

import numpy as np
from matplotlib.gridspec import GridSpec

from focusqual.inference.measurement import FocusMeasurement
from focusqual.inference.picture import level_colors
from focusqual.levels import LEVELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STATISTICS = ("Score", "Expected", "Certainty", "In focus", "Out of focus", "Uncertain", "Patches")
"""Of an image, in the order of the table, which is as wide as a small window."""
BAR_CERTAINTY = 0.85
"""At which bars have the colors of their levels."""
ENDS = (-0.5, LEVELS - 0.5)
"""Of an axis of levels."""
FONT_SIZE = 8
"""Of the numbers and labels of axes, in points."""


class Panels(NamedTuple):
    """The axes of a figure.

    Attributes
    ----------
    pictures, distributions : list of matplotlib.axes.Axes
        One of each for every image.
    legend : matplotlib.axes.Axes
        Of all pictures.
    """

    pictures: List["Axes"]
    distributions: List["Axes"]
    legend: "Axes"


def arrange(figure: "Figure", count: int) -> Panels:
    """Divide a figure, so that the pictures become as large as they may.

    The distribution of a single image is to the right of it, those of several are below.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    count : int
        Of images.

    Returns
    -------
    Panels
    """
    if count == 1:
        places = GridSpec(1, 3, figure=figure, width_ratios=[12, 1, 4])
        pictures, below = [places[0, 0]], [places[0, 2]]
        legend = figure.add_subplot(places[0, 1])
    else:
        ratios = {"width_ratios": [8] * count + [1], "height_ratios": [3, 1]}
        places = GridSpec(2, count + 1, figure=figure, **ratios)
        pictures, below = ([places[row, col] for col in range(count)] for row in (0, 1))
        legend = figure.add_subplot(places[0, count])
    first = figure.add_subplot(pictures[0])
    shared = {"sharex": first, "sharey": first}
    drawn = [first, *(figure.add_subplot(place, **shared) for place in pictures[1:])]
    panels = Panels(drawn, [figure.add_subplot(place) for place in below], legend)
    for axes in (*panels.pictures, *panels.distributions, legend):
        axes.tick_params(labelsize=FONT_SIZE)
    for axes in panels.pictures[1:]:
        axes.tick_params(labelleft=False)
    return panels


def draw_distribution(axes: "Axes", probabilities: np.ndarray, lying: bool) -> None:
    """Draw the probabilities of the levels as bars.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    probabilities : ndarray of float, (11,)
        NaN where no patch counts: no bars are drawn.
    lying : bool
        Whether the levels are on the vertical axis.
    """
    levels = np.arange(LEVELS)
    colors = level_colors(levels, np.full(LEVELS, BAR_CERTAINTY))
    known = np.nan_to_num(probabilities)
    if lying:
        axes.barh(levels, known, color=colors)
        axes.set(xlim=(0, 1), xticks=[0, 1], ylim=ENDS, yticks=levels[::2])
        axes.set_xlabel("Probability", fontsize=FONT_SIZE)
    else:
        axes.bar(levels, known, color=colors)
        axes.set(ylim=(0, 1), yticks=[0, 1], xlim=ENDS, xticks=levels[::5])
        axes.set_xlabel("Focus level", fontsize=FONT_SIZE)


def draw_legend(axes: "Axes") -> None:
    """Draw the colors of levels and certainties.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    """
    certainties, levels = np.meshgrid(np.linspace(0, 1, 64), np.arange(LEVELS))
    axes.imshow(
        level_colors(levels, certainties),
        aspect="auto",
        extent=[0, 1, *ENDS],
        origin="lower",
    )
    axes.set(xticks=[0, 1], yticks=range(0, LEVELS, 2))
    axes.set_xlabel("Certainty", fontsize=FONT_SIZE, x=1, horizontalalignment="right")
    axes.set_ylabel("Focus level", fontsize=FONT_SIZE, labelpad=0)


def statistics(measurement: FocusMeasurement) -> List[str]:
    """What a table says of an image, rounded to what means something.

    Parameters
    ----------
    measurement : FocusMeasurement

    Returns
    -------
    list of str
        For each of STATISTICS; empty where no patch counts.
    """
    found, patches = measurement.summary, f"{measurement.counted.size}"
    if found["patches"] < measurement.counted.size:
        patches = f"{found['patches']} of {patches}"
    if not found["patches"]:
        return [""] * (len(STATISTICS) - 1) + [patches]
    shares = (f"{100 * found[name]:.0f} %" for name in ("in_focus", "out_of_focus", "uncertain"))
    numbers = f"{found['score']:.0f}", f"{found['expected_level']:.1f}", f"{found['certainty']:.2f}"
    return [*numbers, *shares, patches]


def seen_patch(boxes: np.ndarray, certainties: np.ndarray, x: float, y: float) -> Optional[int]:
    """The patch that a picture shows at a point: the most certain one of those that cover it.

    Parameters
    ----------
    boxes : ndarray of int, (patches, 4)
        y, x, height and width.
    certainties : ndarray of float, (patches,)
    x, y : float
        In pixels.

    Returns
    -------
    int or None
        Its index; None if there is none.
    """
    row, col = int(y + 0.5), int(x + 0.5)
    top, left, height, width = boxes.T
    covers = (top <= row) & (row < top + height) & (left <= col) & (col < left + width)
    return int(np.argmax(np.where(covers, certainties, -1))) if covers.any() else None
