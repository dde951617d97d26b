"""Interactive charts of a plate, as a Vega-Lite specification.

They draw the data sets ``images`` and ``wells`` (the excluded ones), which page.js fills and judges
again when a slider moves.
"""

import json
import warnings
from typing import Any, Dict, List

import altair as alt
import numpy as np
import pandas as pd

from focusqual.inference.display import BAR_CERTAINTY
from focusqual.inference.picture import level_colors
from focusqual.levels import LEVELS
from focusqual.report.audited_images import IS_FAILURE, SURFACE_LEVEL
from focusqual.report.measurements import NUMBERS
from focusqual.report.verdicts import BLANK, COLORS, NOT_MEASURED, VERDICTS
from focusqual.report.wells import ROWS, plate_shape

WIDTH = 860
"""Width of the charts in pixels."""
ORDER = "order in the table"
"""Position of the images if nothing else is known."""


def plate_charts(images: pd.DataFrame) -> Dict[str, Any]:
    """Return a map of each plate, two histograms, and the levels against a position.

    The signal ``position`` is the name of the column against which the levels are drawn.
    """
    selected = alt.selection_point(name="selected", fields=["plate", "well"])
    plates = images[images["well"] != ""].groupby("plate")
    maps = [_plate_map(plate, wells, selected) for plate, wells in plates]
    score = alt.X(
        "score:O",
        scale=alt.Scale(domain=list(range(LEVELS))),
        axis=alt.Axis(labelAngle=0),
        title="Score (0 in focus)",
    )
    certainty = alt.X("certainty:Q", bin=alt.Bin(step=0.05), title="Certainty")
    histograms = alt.hconcat(_histogram(score, selected), _histogram(certainty, selected))
    with warnings.catch_warnings():
        # The charts share one selection on purpose.
        warnings.filterwarnings("ignore", "Automatically deduplicated selection")
        charts = alt.vconcat(*maps, histograms, _levels_by_position(selected))
        return charts.resolve_scale(color="independent").to_dict()


def _plate_map(plate: str, wells: pd.DataFrame, selected: alt.Parameter) -> alt.HConcatChart:
    """Draw each site in its well in the color of its level, and a frame around excluded wells.

    If a surface was found, its map is beside this map.
    """
    rows, cols = plate_shape(wells)
    surface = wells[SURFACE_LEVEL].round(1).nunique() > 1
    width = WIDTH // 2 - 20 if surface else WIDTH
    is_here = f"datum.plate === {json.dumps(plate)}"
    name = f"{json.dumps(ROWS)}[datum.value - 0.5]"
    corners = {
        "x": alt.X(
            "left:Q", scale=alt.Scale(domain=[0, cols]), axis=_axis(cols, "datum.value + 0.5")
        ),
        "x2": "right:Q",
        "y": alt.Y("top:Q", scale=alt.Scale(domain=[rows, 0]), axis=_axis(rows, name)),
        "y2": "bottom:Q",
    }
    levels = np.arange(LEVELS)
    colors = np.rint(255 * level_colors(levels, np.full(LEVELS, BAR_CERTAINTY))).astype(int)
    scale = alt.Scale(
        domain=levels.tolist(), range=["#{:02x}{:02x}{:02x}".format(*rgb) for rgb in colors]
    )
    color = alt.Color(
        "expected_level:Q",
        title="Level",
        scale=scale,
        condition=[
            {"test": f"datum.verdict === '{verdict}'", "value": COLORS[verdict]}
            for verdict in (BLANK, NOT_MEASURED)
        ],
    )
    sites = (
        alt.Chart(alt.NamedData("images"))
        .transform_filter(f"{is_here} && datum.well !== ''")
        .mark_rect(stroke="#999999", strokeWidth=0.3, cursor="pointer")
        .encode(
            **corners,
            color=color,
            opacity=alt.condition(selected, alt.value(1), alt.value(0.3)),
            tooltip=_tooltip(),
        )
        .add_params(selected)
    )
    frames = (
        alt.Chart(alt.NamedData("wells"))
        .transform_filter(is_here)
        .mark_rect(filled=False, stroke="black", strokeWidth=2)
        .encode(**corners)
    )
    size = {"width": width, "height": width * rows / cols}
    measured = alt.layer(sites, frames).properties(title=f"Plate {plate}".strip(), **size)
    if not surface:
        return alt.hconcat(measured)
    fitted = (
        alt.Chart(alt.NamedData("images"))
        .transform_filter(f"{is_here} && datum.well !== ''")
        .mark_rect(strokeWidth=1.5)
        .encode(
            **corners,
            color=alt.Color(f"{SURFACE_LEVEL}:Q", scale=scale, legend=None),
            stroke=alt.condition(f"datum.{IS_FAILURE}", alt.value("black"), alt.value(None)),
            tooltip=_tooltip(),
        )
        .properties(title="Surface and single failures", **size)
    )
    return alt.hconcat(measured, fitted).resolve_scale(color="independent")


def _axis(count: int, label: str) -> alt.Axis:
    centers = [number + 0.5 for number in range(count)]
    return alt.Axis(
        values=centers, labelExpr=label, grid=False, ticks=False, domain=False, title=None
    )


def _histogram(x: alt.X, selected: alt.Parameter) -> alt.Chart:
    return (
        alt.Chart(alt.NamedData("images"))
        .transform_filter(f"datum.verdict !== '{NOT_MEASURED}'")
        .transform_filter(selected)
        .mark_bar(stroke="white", strokeWidth=0.5)
        .encode(
            x=x,
            y=alt.Y("count():Q", title="Images"),
            color=_verdict_color(),
            tooltip=["verdict:N", "count():Q"],
        )
        .properties(width=WIDTH / 2 - 100, height=200)
    )


def _levels_by_position(selected: alt.Parameter) -> alt.Chart:
    return (
        alt.Chart(alt.NamedData("images"))
        .add_params(alt.param(name="position", value=ORDER), selected)
        .transform_calculate(along="datum[position]")
        .transform_filter("isValid(datum.expected_level) && isValid(datum.along)")
        .mark_circle(size=22)
        .encode(
            x=alt.X("along:Q", title=None, scale=alt.Scale(zero=False)),
            y=alt.Y("expected_level:Q", title="Level", scale=alt.Scale(domain=[0, LEVELS - 1])),
            color=_verdict_color(),
            opacity=alt.condition(selected, alt.value(0.8), alt.value(0.08)),
            tooltip=_tooltip(),
        )
        .properties(width=WIDTH - 100, height=240)
    )


def _verdict_color() -> alt.Color:
    # Images that were not measured have no level and appear only in the map.
    shown = [verdict for verdict in VERDICTS if verdict != NOT_MEASURED]
    scale = alt.Scale(domain=shown, range=[COLORS[verdict] for verdict in shown])
    return alt.Color("verdict:N", title=None, scale=scale)


def _tooltip() -> List[Any]:
    # A tooltip would load a field named "image" as a picture.
    name = alt.Tooltip("image:N", title="file")
    return [name, "plate:N", "well:N", *(f"{number}:Q" for number in NUMBERS), "verdict:N"]
