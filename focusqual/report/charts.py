"""Interactive charts of a plate, as a Vega-Lite specification.

They draw the data sets ``images`` and ``wells`` (the excluded ones), which page.js fills and judges
again when a slider moves.
"""

import json
from typing import Any, Dict, List, Mapping

import numpy as np

from focusqual.inference.display import BAR_CERTAINTY
from focusqual.inference.picture import level_colors
from focusqual.levels import LEVELS
from focusqual.report.measurements import NUMBERS
from focusqual.report.verdicts import BLANK, COLORS, NOT_MEASURED, VERDICTS
from focusqual.report.wells import ROWS, plate_shape

Specification = Dict[str, Any]

WIDTH = 860
"""Width of the charts in pixels."""
SURFACE_LEVEL, IS_FAILURE = "surface_level", "is_failure"
"""Columns of the images: level of the surface, NaN where none was fitted; is a single failure."""
ORDER = "order in the table"
"""Position of the images if nothing else is known."""
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


def plate_charts(images: Mapping[str, np.ndarray]) -> Specification:
    """Return a map of each plate, two histograms, and the levels against a position.

    The parameter ``position`` is the name of the column against which the levels are drawn, and
    ``selected`` is the selected well.
    """
    in_wells = images["well"] != ""
    maps = []
    for plate in np.unique(images["plate"][in_wells]):
        here = in_wells & (images["plate"] == plate)
        maps.append(_plate_map(plate, {name: images[name][here] for name in images}))
    # Clicks in the first layer of a map and in the last chart select a well.
    clicked = [plate_map["hconcat"][0]["layer"][0]["name"] for plate_map in maps]
    select = {"type": "point", "fields": ["plate", "well"]}
    levels = _levels_by_position()
    return {
        "vconcat": [*maps, {"hconcat": list(map(_histogram, HISTOGRAMS))}, levels],
        "params": [
            {"name": "selected", "select": select, "views": [*clicked, levels["name"]]},
            {"name": "position", "value": ORDER},
        ],
        "resolve": {"scale": {"color": "independent"}},
    }


def _plate_map(plate: str, wells: Mapping[str, np.ndarray]) -> Specification:
    """Draw each site in its well in the color of its score, and a frame around excluded wells.

    If a surface was found, its map is beside this map.
    """
    rows, cols = plate_shape(wells)
    known = wells[SURFACE_LEVEL][np.isfinite(wells[SURFACE_LEVEL])]
    surface = len(np.unique(known.round(1))) > 1
    width = WIDTH // 2 - 20 if surface else WIDTH
    is_here = f"datum.plate === {json.dumps(plate)}"
    name = f"{json.dumps(ROWS)}[datum.value - 0.5]"
    corners = {
        "x": _quantity("left", scale={"domain": [0, cols]}, axis=_axis(cols, "datum.value + 0.5")),
        "x2": {"field": "right"},
        "y": _quantity("top", scale={"domain": [rows, 0]}, axis=_axis(rows, name)),
        "y2": {"field": "bottom"},
    }
    levels = np.arange(LEVELS)
    colors = np.rint(255 * level_colors(levels, np.full(LEVELS, BAR_CERTAINTY))).astype(int)
    scale = {
        "domain": levels.tolist(),
        "range": ["#{:02x}{:02x}{:02x}".format(*color) for color in colors],
    }
    not_colored = [
        {"test": f"datum.verdict === '{verdict}'", "value": COLORS[verdict]}
        for verdict in (BLANK, NOT_MEASURED)
    ]
    level = _quantity("score", title="Score", scale=scale, condition=not_colored)
    sites = {
        "name": f"sites of {plate}",
        "data": {"name": "images"},
        "transform": [{"filter": f"{is_here} && datum.well !== ''"}],
        "mark": {"type": "rect", "stroke": "#999999", "strokeWidth": 0.3, "cursor": "pointer"},
        "encoding": {**corners, "color": level, "opacity": _if_selected(1, 0.3), **_tooltip()},
    }
    frames = {
        "data": {"name": "wells"},
        "transform": [{"filter": is_here}],
        "mark": {"type": "rect", "filled": False, "stroke": "black", "strokeWidth": 2},
        "encoding": corners,
    }
    size = {"width": width, "height": width * rows / cols}
    maps: List[Specification] = [
        {"title": f"Plate {plate}".strip(), "layer": [sites, frames], **size}
    ]
    if surface:
        level = _quantity(SURFACE_LEVEL, scale=scale, legend=None)
        failed = {"condition": {"test": f"datum.{IS_FAILURE}", "value": "black"}, "value": None}
        fitted = {
            "title": "Surface and single failures",
            "data": sites["data"],
            "transform": sites["transform"],
            "mark": {"type": "rect", "strokeWidth": 1.5},
            "encoding": {**corners, "color": level, "stroke": failed, **_tooltip()},
        }
        maps.append({**fitted, **size})
    return {"hconcat": maps, "resolve": {"scale": {"color": "independent"}}}


def _axis(count: int, label: str) -> Specification:
    centers = [number + 0.5 for number in range(count)]
    hidden = {"grid": False, "ticks": False, "domain": False, "title": None}
    return {"values": centers, "labelExpr": label, **hidden}


def _histogram(column: str) -> Specification:
    return {
        "data": {"name": "images"},
        "transform": [
            {"filter": f"datum.verdict !== '{NOT_MEASURED}'"},
            {"filter": {"param": "selected"}},
        ],
        "mark": {"type": "bar", "stroke": "white", "strokeWidth": 0.5},
        "encoding": {
            "x": {"field": column, **HISTOGRAMS[column]},
            "y": {"aggregate": "count", "title": "Images"},
            "color": _verdict_color(),
            "tooltip": [{"field": "verdict"}, {"aggregate": "count"}],
        },
        "width": WIDTH / 2 - 100,
        "height": 200,
    }


def _levels_by_position() -> Specification:
    scale = {"domain": [0, LEVELS - 1]}
    return {
        "name": "levels",
        "data": {"name": "images"},
        "transform": [
            {"calculate": "datum[position]", "as": "along"},
            {"filter": "isValid(datum.expected_level) && isValid(datum.along)"},
        ],
        "mark": {"type": "circle", "size": 22},
        "encoding": {
            "x": _quantity("along", title=None, scale={"zero": False}),
            "y": _quantity("expected_level", title="Expected level", scale=scale),
            "color": _verdict_color(),
            "opacity": _if_selected(0.8, 0.08),
            **_tooltip(),
        },
        "width": WIDTH - 100,
        "height": 240,
    }


def _quantity(field: str, **more: Any) -> Specification:
    return {"field": field, "type": "quantitative", **more}


def _if_selected(value: float, otherwise: float) -> Specification:
    return {"condition": {"param": "selected", "value": value}, "value": otherwise}


def _verdict_color() -> Specification:
    # Images that were not measured have no level and appear only in the map.
    shown = [verdict for verdict in VERDICTS if verdict != NOT_MEASURED]
    scale = {"domain": shown, "range": [COLORS[verdict] for verdict in shown]}
    return {"field": "verdict", "type": "nominal", "title": None, "scale": scale}


def _tooltip() -> Specification:
    # A tooltip would load a field named "image" as a picture.
    name = {"field": "image", "type": "nominal", "title": "file"}
    texts = [{"field": field, "type": "nominal"} for field in ("plate", "well", "verdict")]
    return {"tooltip": [name, *texts[:2], *map(_quantity, NUMBERS), texts[2]]}
