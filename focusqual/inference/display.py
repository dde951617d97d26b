"""Figure of measurements: pictures, level distributions, their legend, and a table."""

from typing import TYPE_CHECKING, List, NamedTuple, Optional

import numpy as np
from matplotlib.gridspec import GridSpec

from focusqual.inference.measurement import FocusMeasurement
from focusqual.inference.picture import level_colors, stretch
from focusqual.levels import LEVELS
from micrograph_networks.images.gray import to_gray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STATISTICS = (
    *("Score", "Expected level", "Certainty"),
    *("In focus", "Out of focus", "Uncertain", "Patches"),
)
"""Columns of the table of images, which fits into a small window."""
FRACTIONS = ("fraction_in_focus", "fraction_out_of_focus", "fraction_uncertain")
"""Names of fractions of the patches in FocusMeasurement.summary, in the order of STATISTICS."""
BAR_CERTAINTY = 0.85
"""Certainty in whose colors the bars of the levels are drawn."""
LEVEL_AXIS = "Focus level"
"""Label of the axes of levels."""
LIMITS = (-0.5, LEVELS - 0.5)
"""Limits of an axis of levels."""
FONT_SIZE = 8
"""Size of the numbers and labels of axes in points."""


class Panels(NamedTuple):
    """Axes of a figure: a picture, a distribution and a patch for each image, and one legend."""

    pictures: List["Axes"]
    distributions: List["Axes"]
    patches: List["Axes"]
    legend: "Axes"


def arrange(figure: "Figure", count: int) -> Panels:
    """Arrange the panels so that images are as large as possible.

    The distribution of a single image is to its right, with the patch below it. Those of several
    images are below them, with the patches to the right.
    """
    if count == 1:
        ratios = {"width_ratios": [12, 1, 4], "height_ratios": [2, 1]}
        grid = GridSpec(2, 3, figure=figure, **ratios)
        cells, below, beside, legend = [grid[:, 0]], [grid[0, 2]], [grid[1, 2]], grid[:, 1]
    else:
        ratios = {"width_ratios": [5, 3] * count + [1], "height_ratios": [3, 1]}
        grid = GridSpec(2, 2 * count + 1, figure=figure, **ratios)
        cells = [grid[0, col : col + 2] for col in range(0, 2 * count, 2)]
        below = [grid[1, col] for col in range(0, 2 * count, 2)]
        beside = [grid[1, col] for col in range(1, 2 * count, 2)]
        legend = grid[0, -1]
    pictures = [figure.add_subplot(cells[0])]
    for cell in cells[1:]:
        pictures.append(figure.add_subplot(cell, sharex=pictures[0], sharey=pictures[0]))
    distributions = [figure.add_subplot(cell) for cell in below]
    patches = [figure.add_subplot(cell) for cell in beside]
    panels = Panels(pictures, distributions, patches, figure.add_subplot(legend))
    for axes in (*pictures, *distributions, panels.legend):
        axes.tick_params(labelsize=FONT_SIZE)
    for axes in pictures[1:]:
        axes.tick_params(labelleft=False)
    return panels


def draw_distribution(
    axes: "Axes", probabilities: np.ndarray, title: str, horizontal: bool, palette: str
) -> None:
    """Draw the probabilities of the levels as bars, in place of those that were drawn before.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    probabilities : ndarray of float, (11,)
        NaN if no patch counts; then no bars are drawn.
    title : str
        What the probabilities are of.
    horizontal : bool
        Draw horizontal bars, with the levels on the vertical axis.
    palette : str
        See :func:`focusqual.inference.picture.level_colors`.
    """
    for bars in list(axes.containers):
        bars.remove()
    levels = np.arange(LEVELS)
    colors = level_colors(levels, np.full(LEVELS, BAR_CERTAINTY), palette)
    known = np.nan_to_num(probabilities)
    if horizontal:
        axes.barh(levels, known, color=colors)
        axes.set(xlim=(0, 1), xticks=[0, 1], ylim=LIMITS, yticks=levels[::2])
        names = "Probability", LEVEL_AXIS
    else:
        axes.bar(levels, known, color=colors)
        axes.set(ylim=(0, 1), yticks=[0, 1], xlim=LIMITS, xticks=levels[::5])
        names = LEVEL_AXIS, "Probability"
    axes.set_xlabel(names[0], fontsize=FONT_SIZE)
    axes.set_ylabel(names[1], fontsize=FONT_SIZE, labelpad=0)
    axes.set_title(title, fontsize=FONT_SIZE)


def draw_legend(axes: "Axes", palette: str) -> None:
    """Draw the colors of levels and certainties."""
    certainties, levels = np.meshgrid(np.linspace(0, 1, 64), np.arange(LEVELS))
    colors = level_colors(levels, certainties, palette)
    axes.imshow(colors, aspect="auto", extent=[0, 1, *LIMITS], origin="lower")
    axes.set(xticks=[0, 1], yticks=range(0, LEVELS, 2))
    axes.set_xlabel("Certainty", fontsize=FONT_SIZE, x=1, horizontalalignment="right")
    axes.set_ylabel(LEVEL_AXIS, fontsize=FONT_SIZE, labelpad=0)
    for level, end, side in ((0, "in focus", "bottom"), (LEVELS - 1, "out of focus", "top")):
        style = {"color": "white", "rotation": 90, "fontsize": FONT_SIZE}
        axes.text(0.05, level, end, verticalalignment=side, **style)


def draw_patch(axes: "Axes", pixels: Optional[np.ndarray]) -> None:
    """Draw a patch at full resolution, or how to see one.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    pixels : ndarray, (height, width) or (height, width, channels), or None
        Pixels of the patch.
    """
    axes.clear()
    axes.axis("off")
    if pixels is None:
        style = {"fontsize": FONT_SIZE, "transform": axes.transAxes}
        axes.text(0.5, 0.5, "Click a patch", ha="center", va="center", **style)
    else:
        axes.imshow(stretch(to_gray(pixels)), interpolation="nearest")


def statistics(measurement: FocusMeasurement) -> List[str]:
    """Return the rounded values of STATISTICS; all but the last are empty if no patch counts."""
    summary, patches = measurement.summary, f"{measurement.counted.size}"
    if summary["patches"] < measurement.counted.size:
        patches = f"{summary['patches']} of {patches}"
    if not summary["patches"]:
        return [""] * (len(STATISTICS) - 1) + [patches]
    return [
        f"{summary['score']:.0f}",
        f"{summary['expected_level']:.1f}",
        f"{summary['certainty']:.2f}",
        *(f"{100 * summary[name]:.0f} %" for name in FRACTIONS),
        patches,
    ]


def seen_patch(boxes: np.ndarray, certainties: np.ndarray, x: float, y: float) -> Optional[int]:
    """Return the index of the patch at a point: the most certain one of those that cover it.

    Parameters
    ----------
    boxes : ndarray of int, (patches, 4)
        y, x, height and width.
    certainties : ndarray of float, (patches,)
    x, y : float
        Point in pixels.

    Returns
    -------
    int or None
        None if no patch covers the point.
    """
    row, col = int(y + 0.5), int(x + 0.5)
    top, left, height, width = boxes.T
    covers = (top <= row) & (row < top + height) & (left <= col) & (col < left + width)
    return int(np.argmax(np.where(covers, certainties, -1))) if covers.any() else None
