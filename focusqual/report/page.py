"""Interactive page of a plate, a single HTML file that opens without a network."""

import base64
import html
import math
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import pandas as pd

from focusqual.report.audited_images import audit_for_page
from focusqual.report.layout import ORIGIN_COLUMNS
from focusqual.report.measurements import NUMBERS
from focusqual.report.options import Thresholds
from focusqual.report.paths import pictures_of
from focusqual.report.verdicts import EXCLUDED, RULES, VERDICTS, WELL_COLUMNS
from micrograph_networks.errors import UserError
from micrograph_networks.files.pages import write_page
from micrograph_networks.images.image_files import read_image
from micrograph_networks.options import Option, declared_options

PICTURES = 24
"""Number of the worst images that are shown."""
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
    path: Path, images: pd.DataFrame, thresholds: Thresholds, table: Path, pictures: Path
) -> None:
    """Write the page of a plate: the audit, maps, histograms, levels, worst images, excluded wells.

    Parameters
    ----------
    path : Path
        Path of the HTML file.
    images : DataFrame
        Measurements in the table, read by :func:`focusqual.report.measurements.read_measurements`.
    thresholds : Thresholds
        Initial values of the sliders.
    table : Path
        Table of the images; its path is the title of the page.
    pictures : Path
        Folder of annotated pictures, see :func:`focusqual.report.paths.pictures_of`.

    Raises
    ------
    UserError
        Altair is not installed, a picture cannot be read, or the page cannot be
        written.
    """
    try:
        import altair  # noqa: F401

        from focusqual.report.charts import ORDER, plate_charts
    except ImportError as error:
        raise UserError(
            f"The page of a plate needs altair ({error}): install it with "
            "'pip install \"cellprofiler-focus-darkfield[report]\"'."
        ) from None
    positions = images.columns[images.columns.get_loc(NUMBERS[-1]) + 1 :]
    own = {channel: f"{HIGHEST_SCORE}_{n}" for n, channel in enumerate(thresholds.highest_scores)}
    sliders = _sliders(thresholds, own)
    slider = images["channel"].map(own).fillna(HIGHEST_SCORE)
    images, findings = audit_for_page(images.drop(columns=list(ORIGIN_COLUMNS[1:])), thresholds)
    images = images.assign(slider=slider, **{ORDER: np.arange(1, len(images) + 1)})
    report = {
        **_images_and_wells(images),
        "pictures": _worst(images, thresholds, pictures_of(images["image"], pictures, table.stem)),
        "findings": findings,
        "positions": [ORDER, *positions],
        "thresholds": {slider.name: slider.value for slider in sliders},
        "verdicts": VERDICTS,
        "rules": RULES,
        "excluded": EXCLUDED,
        "columns": WELL_COLUMNS,
        "chart": plate_charts(images),
    }
    sliders_html = "\n".join(map(_slider_html, sliders))
    write_page(path, TEMPLATE, str(table), report, sliders=sliders_html)


def _images_and_wells(images: pd.DataFrame) -> Dict[str, List[Dict[str, Any]]]:
    """Return images and wells for JSON, with their corners in the map in widths of a well."""
    wells = images.loc[images["well"] != "", ["plate", "well", "row", "col"]]
    index = wells.groupby(["plate", "well"]).ngroup()
    wells = wells.drop_duplicates(["plate", "well"]).sort_values(["plate", "well"])
    wells = wells.assign(left=wells["col"], right=wells["col"] + 1)
    wells = wells.assign(top=wells["row"], bottom=wells["row"] + 1)
    drawn = images.assign(well_index=index)
    side = math.ceil(math.sqrt(images["site"].max() + 1)) or 1
    size = (1 - 2 * GAP) / side
    left = images["col"] + GAP + images["site"] % side * size
    top = images["row"] + GAP + images["site"] // side * size
    drawn["left"], drawn["right"] = left.round(3), (left + size).round(3)
    drawn["top"], drawn["bottom"] = top.round(3), (top + size).round(3)
    drawn = drawn.astype(object).where(drawn.notna(), None)
    return {"images": drawn.to_dict("records"), "wells": wells.to_dict("records")}


def _worst(
    images: pd.DataFrame, thresholds: Thresholds, pictures: Sequence[Optional[Path]]
) -> List[Tuple[int, str]]:
    """Return rows and pictures, as data URLs, of the images with the highest scores, not blank."""
    shown = images[images["certainty"] >= thresholds.lowest_certainty]
    worst = shown.sort_values(["score", "expected_level"], ascending=False, kind="stable")
    present = [(row, pictures[row]) for row in worst.index if pictures[row]][:PICTURES]
    return [(row, _small_picture(path)) for row, path in present]


def _small_picture(path: Path) -> str:
    import imagecodecs
    from skimage.transform import downscale_local_mean

    picture = read_image(path)
    factor = max(1, math.ceil(max(picture.shape[:2]) / PICTURE_SIZE))
    small = np.rint(downscale_local_mean(picture, (factor, factor, 1))).astype(np.uint8)
    data = base64.b64encode(imagecodecs.jpeg_encode(small, level=85)).decode()
    return f"data:image/jpeg;base64,{data}"


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
