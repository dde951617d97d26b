"""A plate as one interactive page, which opens without a network."""

import base64
import html
import json
import math
import string
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any, Dict, List, Tuple

import numpy as np
import pandas as pd

from focusqual.inference.picture import level_colors
from focusqual.levels import LEVELS
from focusqual.report.measurements import NUMBERS, pictures_of
from focusqual.report.options import Thresholds
from focusqual.report.plate import plate_shape
from focusqual.report.verdicts import NOT_MEASURED, NOTHING, VERDICTS
from micrograph_networks.errors import UserError
from micrograph_networks.files.writing import atomic_write
from micrograph_networks.images.image_files import read_image
from micrograph_networks.options import declared_options

PICTURES = 24
"""How many of the worst images are shown."""
PICTURE_SIZE = 240
"""Longer side of their pictures, pixels."""
WIDTH = 860
"""Of the charts, pixels."""
GAP = 0.06
"""From the edge of a well to its sites, in widths of a well."""
ORDER = "order in the table"
"""What images are drawn against where nothing else is known."""
COLORS = ("#3b6fd4", "#d8492f", "#a9a9a9", "white")
"""Of the verdicts."""
HERE = Path(__file__).parent


def write_page(
    path: Path,
    title: str,
    images: pd.DataFrame,
    thresholds: Thresholds,
    pictures: Path,
) -> None:
    """Write the page of a plate: maps, histograms, courses, the worst images, wells to leave out.

    Parameters
    ----------
    path : Path
        The HTML file.
    title : str
    images : DataFrame
        As :func:`focusqual.report.measurements.read_measurements` gives them.
    thresholds : Thresholds
        With which the page opens; there they are sliders.
    pictures : Path
        Folder of annotated pictures, see :func:`focusqual.report.measurements.pictures_of`.

    Raises
    ------
    UserError
        Altair or vl-convert is not installed, a picture cannot be read, or the page not written.
    """
    libraries, chart = _vega(images)
    places = [ORDER, *images.columns[list(images.columns).index(NUMBERS[-1]) + 1 :]]
    report = {
        "images": _records(images),
        "pictures": _worst(images, thresholds, pictures),
        "places": places,
        "thresholds": asdict(thresholds),
        "verdicts": VERDICTS,
        "chart": chart,
    }
    page = string.Template((HERE / "page.html").read_text(encoding="utf-8")).substitute(
        title=html.escape(title),
        sliders="\n".join(map(_slider, declared_options(thresholds))),
        # A file name could otherwise end the script.
        report=json.dumps(report, allow_nan=False).replace("</", "<\\/"),
        libraries=libraries.replace("</script", "<\\/script"),
        script=(HERE / "page.js").read_text(encoding="utf-8"),
    )
    with atomic_write(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _vega(images: pd.DataFrame) -> Tuple[str, Dict[str, Any]]:
    """The drawing libraries, and what they draw."""
    try:
        import altair
        import vl_convert
    except ImportError as error:
        raise UserError(
            f"The page of a plate needs altair and vl-convert-python ({error}): install them with "
            "'pip install \"cellprofiler-focus-darkfield[report]\"'."
        ) from None
    version = ".".join(altair.SCHEMA_VERSION.split(".")[:2])
    libraries = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=version)
    return libraries, _chart(altair, images)


def _chart(alt: Any, images: pd.DataFrame) -> Dict[str, Any]:
    """Charts of the data sets ``images`` and ``wells``, which page.js fills and judges anew."""
    selected = alt.selection_point(name="selected", fields=["plate", "well"])
    known = images[images["well"] != ""]
    maps = [
        _map(alt, plate, plate_shape(wells["row"], wells["col"]), selected)
        for plate, wells in known.groupby("plate")
    ]
    histograms = alt.hconcat(
        _histogram(
            alt,
            alt.X(
                "score:O",
                scale=alt.Scale(domain=list(range(LEVELS))),
                axis=alt.Axis(labelAngle=0),
                title="Score (0 in focus)",
            ),
            selected,
        ),
        _histogram(alt, alt.X("certainty:Q", bin=alt.Bin(step=0.05), title="Certainty"), selected),
    )
    with warnings.catch_warnings():
        # That the charts share one selection, which is meant.
        warnings.filterwarnings("ignore", "Automatically deduplicated selection")
        charts = alt.vconcat(*maps, histograms, _course(alt, selected))
        return charts.resolve_scale(color="independent").to_dict()


def _tooltip(alt: Any) -> List[Any]:
    # Of a field "image" a tooltip shows the picture at that address.
    name = alt.Tooltip("image:N", title="file")
    return [name, "plate:N", "well:N", *(f"{name}:Q" for name in NUMBERS), "verdict:N"]


def _map(alt: Any, plate: str, shape: Tuple[int, int], selected: Any) -> Any:
    """Every site in its well by the colors of the levels; a frame round wells to leave out."""
    rows, cols = shape
    here = f"datum.plate === {json.dumps(plate)}"
    x = alt.Scale(domain=[0, cols], nice=False)
    y = alt.Scale(domain=[rows, 0], nice=False)
    ticks: Dict[str, Any] = {"grid": False, "ticks": False, "domain": False, "title": None}
    corners = {
        "x": alt.X(
            "left:Q",
            scale=x,
            axis=alt.Axis(
                values=list(np.arange(cols) + 0.5), labelExpr="datum.value + 0.5", **ticks
            ),
        ),
        "x2": "right:Q",
        "y": alt.Y(
            "top:Q",
            scale=y,
            axis=alt.Axis(
                values=list(np.arange(rows) + 0.5),
                labelExpr=f"'{string.ascii_uppercase}'[datum.value - 0.5]",
                **ticks,
            ),
        ),
        "y2": "bottom:Q",
    }
    levels = np.arange(LEVELS)
    color = alt.Color(
        "expected_level:Q",
        title="Level",
        scale=alt.Scale(
            domain=list(map(int, levels)),
            range=list(map(_hex, level_colors(levels, np.full(LEVELS, 0.85)))),
        ),
        condition=[
            {"test": f"datum.verdict === '{verdict}'", "value": COLORS[VERDICTS.index(verdict)]}
            for verdict in (NOTHING, NOT_MEASURED)
        ],
    )
    sites = (
        alt.Chart(alt.NamedData("images"))
        .transform_filter(f"{here} && datum.well !== ''")
        .mark_rect(stroke="#999999", strokeWidth=0.3, cursor="pointer")
        .encode(
            **corners,
            color=color,
            opacity=alt.condition(selected, alt.value(1), alt.value(0.3)),
            tooltip=_tooltip(alt),
        )
        .add_params(selected)
    )
    wells = (
        alt.Chart(alt.NamedData("wells"))
        .transform_filter(here)
        .mark_rect(filled=False, stroke="black", strokeWidth=2)
        .encode(**corners)
    )
    return alt.layer(sites, wells).properties(
        title=f"Plate {plate}" if plate else "Plate", width=WIDTH, height=WIDTH * rows / cols
    )


def _verdict_color(alt: Any) -> Any:
    return alt.Color(
        "verdict:N",
        title=None,
        # The others have no level, and are drawn in the map alone.
        scale=alt.Scale(domain=list(VERDICTS[:-1]), range=list(COLORS[:-1])),
    )


def _histogram(alt: Any, x: Any, selected: Any) -> Any:
    return (
        alt.Chart(alt.NamedData("images"))
        .transform_filter(f"datum.verdict !== '{NOT_MEASURED}'")
        .transform_filter(selected)
        .mark_bar(stroke="white", strokeWidth=0.5)
        .encode(
            x=x,
            y=alt.Y("count():Q", title="Images"),
            color=_verdict_color(alt),
            tooltip=["verdict:N", "count():Q"],
        )
        .properties(width=WIDTH / 2 - 100, height=200)
    )


def _course(alt: Any, selected: Any) -> Any:
    """Level against what is chosen on the page: time, position, or order."""
    return (
        alt.Chart(alt.NamedData("images"))
        .add_params(alt.param(name="place", value=ORDER), selected)
        .transform_calculate(along="datum[place]")
        .transform_filter("isValid(datum.expected_level) && isValid(datum.along)")
        .mark_circle(size=22)
        .encode(
            x=alt.X("along:Q", title=None, scale=alt.Scale(zero=False)),
            y=alt.Y("expected_level:Q", title="Level", scale=alt.Scale(domain=[0, LEVELS - 1])),
            color=_verdict_color(alt),
            opacity=alt.condition(selected, alt.value(0.8), alt.value(0.08)),
            tooltip=_tooltip(alt),
        )
        .properties(width=WIDTH - 100, height=240)
    )


def _hex(color: np.ndarray) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in color)


def _records(images: pd.DataFrame) -> List[Dict[str, Any]]:
    """Images as JSON has them, with the corners of their sites in the map."""
    drawn = images.drop(columns=["row", "col", "site"])
    side = math.ceil(math.sqrt(images["site"].max() + 1)) or 1
    step = (1 - 2 * GAP) / side
    for start, end, at in (
        ("left", "right", images["col"] + GAP + images["site"] % side * step),
        ("top", "bottom", images["row"] + GAP + images["site"] // side * step),
    ):
        drawn[start], drawn[end] = at.round(3), (at + step).round(3)
    drawn[ORDER] = np.arange(1, len(images) + 1)
    numbers = drawn.select_dtypes("number").astype(object)
    drawn[numbers.columns] = numbers.where(numbers.notna(), None)
    return drawn.to_dict("records")


def _worst(images: pd.DataFrame, thresholds: Thresholds, folder: Path) -> Dict[str, str]:
    """Pictures of the images of the highest scores that show something, as addresses of data."""
    shown = images[images["certainty"] >= thresholds.lowest_certainty]
    worst = shown.sort_values(["score", "expected_level"], ascending=False, kind="stable")
    found = zip(worst["image"], pictures_of(worst["image"], folder))
    present = [(image, path) for image, path in found if path][:PICTURES]
    return {image: _small_picture(path) for image, path in present}


def _small_picture(path: Path) -> str:
    import imagecodecs
    from skimage.transform import downscale_local_mean

    picture = read_image(path)
    factor = max(1, math.ceil(max(picture.shape[:2]) / PICTURE_SIZE))
    small = np.rint(downscale_local_mean(picture, (factor, factor, 1))).astype(np.uint8)
    data = base64.b64encode(imagecodecs.jpeg_encode(small, level=85)).decode()
    return f"data:image/jpeg;base64,{data}"


def _slider(declared: Tuple[str, Any, Any]) -> str:
    name, _, option = declared
    return (
        f'<label title="{html.escape(option.help)}">{html.escape(option.label)}'
        f'<input type="range" id="{name}" min="{option.minimum:g}" max="{option.maximum:g}" '
        f'step="any"><output for="{name}"></output></label>'
    )
