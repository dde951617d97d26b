"""Interactive page of a plate, a single HTML file that opens without a network.

NumPy and SciPy only, because CellProfiler's application has nothing else.
"""

import base64
import html
import io
import math
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from PIL.PngImagePlugin import PngImageFile

from focusqual.report.audit import FAILURE, PlateAudit
from focusqual.report.audited_images import audit_images
from focusqual.report.charts import IS_FAILURE, ORDER, SURFACE_LEVEL, plate_charts
from focusqual.report.findings import NO_PATTERN, sentences
from focusqual.report.layout import ORIGIN_COLUMNS
from focusqual.report.measurements import NUMBERS
from focusqual.report.options import Thresholds
from focusqual.report.verdicts import EXCLUDED, RULES, VERDICTS, WELL_COLUMNS
from micrograph_networks.errors import UserError
from micrograph_networks.files.pages import records, write_page
from micrograph_networks.images.limits import explain_read_errors
from micrograph_networks.options import Option, declared_options

PICTURES, BLANK_PICTURES = 24, 6
"""Maximum numbers of the most blurred and of the blankest images that have a picture."""
PICTURE_SIZE = 240
"""Longer side of their pictures in pixels."""
GAP = 0.06
"""Distance from the edge of a well to its sites, as a share of its width."""
TEMPLATE = Path(__file__).with_name("page.html")
HIGHEST_SCORE = "highest_score"
"""Name of the threshold that channels may have each for itself."""


class Slider(NamedTuple):
    """A slider of the page: the name and initial value of a threshold, and its declaration."""

    name: str
    value: float
    option: Option


def write_plate_page(
    path: Path,
    title: str,
    images: Mapping[str, Any],
    thresholds: Thresholds,
    pictures: Sequence[Optional[Path]],
    note: str = "",
) -> List[PlateAudit]:
    """Write the page of a plate: the audit, maps, histograms, levels, worst images, excluded wells.

    Parameters
    ----------
    path : Path
        Path of the HTML file.
    title : str
        Title of the page.
    images : mapping of str to array, or DataFrame
        Measurements, see :func:`focusqual.report.measurements.measurements`.
    thresholds : Thresholds
        Initial values of the sliders.
    pictures : sequence of Path or None
        Annotated picture of each image, see :func:`focusqual.report.paths.pictures_of`.
    note : str
        Sentence above the findings; empty for none.

    Returns
    -------
    list of PlateAudit
        The audit of each plate; empty if none could be audited, which the page says.

    Raises
    ------
    UserError
        A picture cannot be read, or the page cannot be written.
    """
    audits, findings = _findings(images, thresholds)
    columns = {name: np.asarray(images[name]) for name in images if name not in ORIGIN_COLUMNS[1:]}
    count = len(columns["image"])
    positions = list(columns)[list(columns).index(NUMBERS[-1]) + 1 :]
    own = {channel: f"{HIGHEST_SCORE}_{n}" for n, channel in enumerate(thresholds.highest_scores)}
    sliders = _sliders(thresholds, own)
    columns["slider"] = np.array([own.get(name, HIGHEST_SCORE) for name in columns["channel"]])
    columns[ORDER] = np.arange(1, count + 1)
    columns[SURFACE_LEVEL], columns[IS_FAILURE] = np.full(count, np.nan), np.zeros(count, bool)
    for found in audits:
        columns[SURFACE_LEVEL][found.rows] = (found.expected / found.level).round(2)
        columns[IS_FAILURE][found.rows] = found.verdict == FAILURE
    data = {
        **_images_and_wells(columns),
        "pictures": _worst(columns, thresholds, pictures),
        "note": note,
        "findings": findings,
        "positions": [ORDER, *positions],
        "thresholds": {slider.name: slider.value for slider in sliders},
        "verdicts": VERDICTS,
        "rules": RULES,
        "excluded": EXCLUDED,
        "columns": WELL_COLUMNS,
        "charts": plate_charts(columns),
    }
    write_page(path, TEMPLATE, title, data, sliders="\n".join(map(_slider_html, sliders)))
    return audits


def _findings(
    images: Mapping[str, Any], thresholds: Thresholds
) -> Tuple[List[PlateAudit], Dict[str, List[str]]]:
    """Audit the plates, and return the sentences about each of them."""
    try:
        unit, audits, judged = audit_images(images, thresholds)
    except UserError as error:
        return [], {"": [str(error)]}
    return audits, {one.plate: sentences(one, unit, judged) or [NO_PATTERN] for one in audits}


def _images_and_wells(images: Mapping[str, np.ndarray]) -> Dict[str, List[Dict[str, Any]]]:
    """Return images and wells for JSON, with their corners in the map in widths of a well."""
    row, col, site = images["row"], images["col"], images["site"]
    numbered = list(zip(images["plate"], images["well"], row.tolist(), col.tolist()))
    wells = sorted({well for well in numbered if well[1]})
    index = {well: number for number, well in enumerate(wells)}
    side = math.ceil(math.sqrt(site.max() + 1)) or 1
    size = (1 - 2 * GAP) / side
    left, top = col + GAP + site % side * size, row + GAP + site // side * size
    corners = {"left": left, "right": left + size, "top": top, "bottom": top + size}
    drawn = {name: edge.round(3) for name, edge in corners.items()}
    return {
        "images": records({**images, **drawn, "well_index": list(map(index.get, numbered))}),
        "wells": [
            {"plate": plate, "well": well, **dict(zip(corners, (col, col + 1, row, row + 1)))}
            for plate, well, row, col in wells
        ],
    }


def _worst(
    images: Mapping[str, np.ndarray], thresholds: Thresholds, pictures: Sequence[Optional[Path]]
) -> List[Tuple[int, str]]:
    """Return rows and pictures, as data URLs, of the most blurred, then of the blankest images."""
    blank = images["certainty"] < thresholds.lowest_certainty
    blurred = np.lexsort((-images["expected_level"], -images["score"])).tolist()
    blankest = np.argsort(images["certainty"], kind="stable").tolist()
    found = [row for row in blurred if not blank[row] and pictures[row]][:PICTURES]
    found += [row for row in blankest if blank[row] and pictures[row]][:BLANK_PICTURES]
    return [(row, _small_picture(path)) for row in found if (path := pictures[row])]


def _small_picture(path: Path) -> str:
    small = io.BytesIO()
    with explain_read_errors(path), open(path, "rb") as file:
        picture = PngImageFile(file)
        factor = max(1, math.ceil(max(picture.size) / PICTURE_SIZE))
        picture.convert("RGB").reduce(factor).save(small, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(small.getvalue()).decode()}"


def _sliders(thresholds: Thresholds, own: Dict[str, str]) -> List[Slider]:
    """Return the sliders: that of the highest score, or one per channel of these names."""
    sliders = []
    for name, _, option in declared_options(thresholds):
        if name != HIGHEST_SCORE or not own:
            sliders.append(Slider(name, getattr(thresholds, name), option))
            continue
        for channel, score in thresholds.highest_scores.items():
            labeled = replace(option, label=f"{option.label} {channel}".strip())
            sliders.append(Slider(own[channel], score, labeled))
    return sliders


def _slider_html(slider: Slider) -> str:
    name, _, option = slider
    return (
        f'<label title="{html.escape(option.help)}">{html.escape(option.label)}'
        f'<input type="range" id="{name}" min="{option.minimum:g}" max="{option.maximum:g}" '
        f'step="any"><output for="{name}"></output></label>'
    )
