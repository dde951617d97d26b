"""Interactive charts of a plate, as Vega-Lite specifications.

They draw the data sets ``images`` and ``wells``, which page.js fills and judges again when a slider
moves. page.js also sets their sizes and parameters: ``chosen``, the selected well or null; ``ink``,
the color of texts; and ``position``, the column against which the levels are drawn.
"""

import json
from typing import Any, Dict, List, Mapping

import numpy as np
from matplotlib.colors import to_hex

from focusqual.inference.display import BAR_CERTAINTY
from focusqual.inference.options import PictureOptions
from focusqual.inference.picture import level_colors
from focusqual.levels import LEVELS
from focusqual.report.measurements import NUMBERS
from focusqual.report.verdicts import BLANK, COLORS, NOT_MEASURED, VERDICTS
from focusqual.report.wells import ROWS, plate_shape
from micrograph_networks.options import declared_options

Specification = Dict[str, Any]

HEIGHT = 220
"""Height of histograms and levels in pixels."""
IS_CHOSEN = "!chosen || datum.plate === chosen.plate && datum.well === chosen.well"
"""Expression that is true for the images of the selected well, or for all without one."""
SURFACE_LEVEL, IS_FAILURE = "surface_level", "is_failure"
"""Columns of the images: level of the surface, NaN where none was fitted; is a single failure."""
ORDER = "order in the table"
"""Position of the images if nothing else is known."""
INK = {"expr": "ink"}
SHOWN = [verdict for verdict in VERDICTS if verdict != NOT_MEASURED]
"""Verdicts of images with a level. The others appear only in the map."""
SHAPES = ["circle", "triangle-up", "square"]
"""Mark of each of them."""
HISTOGRAMS: Dict[str, Specification] = {
    "score": {
        "type": "ordinal",
        "scale": {"domain": list(range(LEVELS))},
        "axis": {"labelAngle": 0},
        "title": "Score (0 in focus)",
    },
    "certainty": {"type": "quantitative", "bin": {"step": 0.05}, "title": "Certainty"},
}
"""Columns with a histogram, and their horizontal axes."""


def plate_charts(images: Mapping[str, np.ndarray]) -> Dict[str, Any]:
    """Return a map of each plate and of its surface, two histograms, and levels against a position.

    Parameters
    ----------
    images : mapping of str to array
        Measurements, see :func:`focusqual.report.measurements.measurements`, with SURFACE_LEVEL.

    Returns
    -------
    dict
        ``maps``, one dict per plate: ``plate``; ``ratio``, height divided by width; ``map``, and
        ``surface``, None if none was found. ``plots``, a list. ``palettes``, the colors of the
        levels by the name of the palette.
    """
    in_wells = images["well"] != ""
    maps = []
    for plate in np.unique(images["plate"][in_wells]):
        here = in_wells & (images["plate"] == plate)
        maps.append(_plate_maps(plate, {name: images[name][here] for name in images}))
    levels, certainty = np.arange(LEVELS), np.full(LEVELS, BAR_CERTAINTY)
    ((_, _, palette),) = declared_options(PictureOptions())
    return {
        "maps": maps,
        "plots": [*map(_histogram, HISTOGRAMS), _levels_by_position()],
        "palettes": {
            shown: [to_hex(color) for color in level_colors(levels, certainty, name)]
            for name, shown in zip(palette.choices, palette.shown)
        },
    }


def _plate_maps(plate: str, wells: Mapping[str, np.ndarray]) -> Dict[str, Any]:
    """Draw each site in its well in the color of its score, and a frame around excluded wells.

    The map of the surface has no frames, but shows single failures.
    """
    rows, cols = plate_shape(wells)
    known = wells[SURFACE_LEVEL][np.isfinite(wells[SURFACE_LEVEL])]
    is_here = f"datum.plate === {json.dumps(plate)}"
    name = f"{json.dumps(ROWS)}[datum.value - 0.5]"
    corners = {
        "x": _quantity("left", scale={"domain": [0, cols]}, axis=_axis(cols, "datum.value + 0.5")),
        "x2": {"field": "right"},
        "y": _quantity("top", scale={"domain": [rows, 0]}, axis=_axis(rows, name)),
        "y2": {"field": "bottom"},
    }
    is_blank = {"test": f"datum.verdict === '{BLANK}'", "value": COLORS[BLANK]}
    score = _level_color("score", "Score", condition=is_blank)
    sites = {
        "data": {"name": "images"},
        "transform": [{"filter": f"{is_here} && datum.well !== ''"}],
        "mark": {"type": "rect", "stroke": "#999999", "strokeWidth": 0.3, "cursor": "pointer"},
        "encoding": {**corners, "color": score, "opacity": _if_chosen(1, 0.3), **_tooltip()},
    }
    frames = {
        "data": {"name": "wells"},
        "transform": [{"filter": f"{is_here} && datum.excluded"}],
        "mark": {"type": "rect", "filled": False, "stroke": INK, "strokeWidth": 2},
        "encoding": corners,
    }
    failed = {"condition": {"test": f"datum.{IS_FAILURE}", "value": INK}, "value": None}
    surface = {
        "description": f"Map of the surface of plate {plate}, with single failures",
        "title": "Surface and single failures",
        "data": sites["data"],
        "transform": sites["transform"],
        "mark": {"type": "rect", "strokeWidth": 1.5},
        "encoding": {
            **corners,
            "color": _level_color(SURFACE_LEVEL, "Expected level"),
            "stroke": failed,
            **_tooltip(),
        },
    }
    return {
        "plate": plate,
        "ratio": rows / cols,
        "map": {
            "description": f"Map of the scores of plate {plate}",
            "title": "Scores and excluded wells",
            "layer": [sites, frames],
        },
        "surface": surface if len(np.unique(known.round(1))) > 1 else None,
    }


def _axis(count: int, label: str) -> Specification:
    centers = [number + 0.5 for number in range(count)]
    hidden = {"grid": False, "ticks": False, "domain": False, "title": None}
    return {"values": centers, "labelExpr": label, **hidden}


def _level_color(field: str, title: str, **more: Any) -> Specification:
    """Color by a level, with the colors in the configuration of the chart."""
    legend = {
        **{"title": title, "orient": "top", "direction": "horizontal", "gradientLength": 220},
        "values": [0, LEVELS - 1],
        "labelExpr": "datum.value ? datum.value + ' out of focus' : '0 in focus'",
    }
    return _quantity(field, scale={"domain": [0, LEVELS - 1]}, legend=legend, **more)


def _histogram(column: str) -> Specification:
    return {
        "description": f"Histogram: {column} of the images",
        "data": {"name": "images"},
        "transform": [
            {"filter": f"datum.verdict !== '{NOT_MEASURED}'"},
            {"filter": IS_CHOSEN},
        ],
        "mark": {"type": "bar", "stroke": "white", "strokeWidth": 0.5},
        "encoding": {
            "x": {"field": column, **HISTOGRAMS[column]},
            "y": {"aggregate": "count", "title": "Images"},
            "color": _by_verdict([COLORS[verdict] for verdict in SHOWN]),
            "tooltip": [{"field": "verdict"}, {"aggregate": "count"}],
        },
        "height": HEIGHT,
    }


def _levels_by_position() -> Specification:
    scale = {"domain": [0, LEVELS - 1]}
    return {
        "description": "Expected level of each image",
        "data": {"name": "images"},
        "transform": [
            {"calculate": "datum[position]", "as": "along"},
            {"filter": "isValid(datum.expected_level) && isValid(datum.along)"},
        ],
        "mark": {"type": "point", "filled": True, "size": 30, "cursor": "pointer"},
        "encoding": {
            "x": _quantity("along", title=None, scale={"zero": False}),
            "y": _quantity("expected_level", title="Expected level", scale=scale),
            "color": _by_verdict([COLORS[verdict] for verdict in SHOWN]),
            "shape": _by_verdict(SHAPES),
            "opacity": _if_chosen(0.8, 0.08),
            **_tooltip(),
        },
        "height": HEIGHT,
    }


def _quantity(field: str, **more: Any) -> Specification:
    return {"field": field, "type": "quantitative", **more}


def _if_chosen(value: float, otherwise: float) -> Specification:
    return {"condition": {"test": IS_CHOSEN, "value": value}, "value": otherwise}


def _by_verdict(values: List[str]) -> Specification:
    """Give each verdict in SHOWN its value; the legend names them."""
    scale, legend = {"domain": SHOWN, "range": values}, {"orient": "top", "title": None}
    return {"field": "verdict", "type": "nominal", "scale": scale, "legend": legend}


def _tooltip() -> Specification:
    # A tooltip would load a field named "image" as a picture.
    name = {"field": "image", "type": "nominal", "title": "file"}
    texts = [{"field": field, "type": "nominal"} for field in ("plate", "well", "verdict")]
    return {"tooltip": [name, *texts[:2], *map(_quantity, NUMBERS), texts[2]]}
