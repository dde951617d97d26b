"""Compare a model with classical measures of focus on real stacks of planes."""

import os
from pathlib import Path
from typing import Dict, List, Optional

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from focusqual.evaluation.classical import laplacian_variance, power_log_log_slope
from focusqual.inference.model import FocusModel
from focusqual.inference.options import FocusOptions
from focusqual.inference.prediction import measure_focus
from focusqual.inference.stacks import weighted_level
from focusqual.levels import LEVELS, level_depth, rescaling_factor
from focusqual.optics import REQUIRED_OPTICS, Optics
from micrograph_networks.errors import UserError, add_path_to_errors
from micrograph_networks.evaluation.ranking import area_under_curve
from micrograph_networks.files.tables import read_csv
from micrograph_networks.images.gray import to_gray
from micrograph_networks.images.image_files import read_image
from micrograph_networks.progress import follow

COLUMNS = ("image", "stack", "position", "focus")
"""Columns that a table of planes must have."""
PLANES_CSV = [
    *("image", "stack", "kind", "position", "focus", "depths_of_field"),
    *("score", "expected_level", "certainty", "power_log_log_slope", "laplacian_variance"),
    "expected_defocus_um",
]
"""Columns of planes.csv."""
IN_FOCUS, OUT_OF_FOCUS, FAR_OUT = 1.0, 2.0, 4.0
"""Distances from the focus in depths of field: planes are in focus up to the first, out of focus
from the second and far out of focus from the third on."""
MODEL = "expected level"
"""Name of the model's method; the other methods are classical."""
ALL = "all"
"""Name of the kind that all planes belong to."""


def read_planes(table: Path) -> pd.DataFrame:
    """Read a table of the planes of stacks.

    The depth of field is :func:`focusqual.levels.level_depth` if the table has the optics of the
    stack: about wavelength n / NA^2, or more if the pixels are too coarse for that. Otherwise it
    is the median step between the planes.

    Parameters
    ----------
    table : Path
        A CSV with the columns ``image`` (path relative to the table), ``stack``, and ``position``
        and ``focus``, both along the axis, in micrometers. Optional columns: ``kind``, such as
        fluorescence; ``pixel_size``, ``numerical_aperture``, ``wavelength`` (micrometers) and
        ``refractive_index``.

    Returns
    -------
    DataFrame
        One row per plane, sorted by stack and position, with the further columns ``path``,
        ``optics`` (:class:`focusqual.optics.Optics`, None if unknown), ``depth_of_field``,
        ``distance`` (to the focus, 0 or more) and ``depths_of_field`` (the same in depths of
        field).

    Raises
    ------
    UserError
        The file is not such a table, an image is missing or named twice, or a stack has one plane.
    """
    planes = pd.DataFrame(read_csv(table, COLUMNS, f"a CSV with the columns {', '.join(COLUMNS)}"))
    with add_path_to_errors(table):
        planes["path"] = [_existing(table.parent, image) for image in planes["image"]]
        repeated = planes["image"][planes["path"].map(os.path.abspath).duplicated()]
        if len(repeated):
            raise UserError(f"{repeated.min()} is named more than once: keep one row per image.")
        if "kind" not in planes:
            planes["kind"] = ""
        planes["kind"] = planes["kind"].replace("", "unknown")
        for column in ("position", "focus"):
            planes[column] = [_number(value, column) for value in planes[column]]
        stacks = []
        for _, stack in planes.groupby("stack"):
            stack = stack.sort_values("position", kind="stable")
            optics = _optics(stack.iloc[0])
            depth = _depth_of_field(stack, optics)
            stacks.append(stack.assign(optics=[optics] * len(stack), depth_of_field=depth))
    planes = pd.concat(stacks, ignore_index=True)
    planes["distance"] = (planes["position"] - planes["focus"]).abs()
    planes["depths_of_field"] = planes["distance"] / planes["depth_of_field"]
    return planes


def _existing(folder: Path, image: str) -> Path:
    path = folder / image
    if not path.is_file():
        raise UserError(f"{path} does not exist: the paths are relative to {folder}.")
    return path


def _number(text: str, column: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise UserError(f"'{text}' in the column {column} is not a number.")
    return value


def _optics(plane: pd.Series) -> Optional[Optics]:
    if not all(plane.get(column) for column in REQUIRED_OPTICS):
        return None
    pixel_size, aperture, wavelength = (_number(plane[name], name) for name in REQUIRED_OPTICS)
    index = _number(plane.get("refractive_index") or "1", "refractive_index")
    return Optics(pixel_size, aperture, wavelength, index)


def _depth_of_field(planes: pd.DataFrame, optics: Optional[Optics]) -> float:
    """Return the depth of field of a stack, from its optics or from the steps between planes."""
    steps = np.diff(np.unique(planes["position"]))
    if not len(steps):
        raise UserError(
            f"The stack {planes['stack'].iloc[0]} has planes at one position only: add another."
        )
    return level_depth(optics, rescaling_factor(optics)) if optics else float(np.median(steps))


def measure_planes(planes: pd.DataFrame, model: FocusModel, options: FocusOptions) -> pd.DataFrame:
    """Measure planes with the model and by the classical measures, and show a progress bar.

    Parameters
    ----------
    planes : DataFrame
        From :func:`read_planes`.
    model : FocusModel
    options : FocusOptions

    Returns
    -------
    DataFrame
        The planes with the further columns ``score``, ``expected_level``, ``certainty``,
        ``power_log_log_slope``, ``laplacian_variance``, ``level_depth`` (micrometers from one level
        to the next) and ``expected_defocus_um``; the last two are NaN if the optics are neither in
        the table nor among the options.

    Raises
    ------
    UserError
        An image cannot be read, or not be measured, for example because pixels are NaN.
    """
    rows = []
    for path, optics in follow(planes[["path", "optics"]].to_numpy(), "image"):
        with add_path_to_errors(path):
            image = to_gray(read_image(path))
            summary = measure_focus(image, model, options=options).summary
        row = {name: summary[name] for name in ("score", "expected_level", "certainty")}
        row["power_log_log_slope"] = power_log_log_slope(image)
        row["laplacian_variance"] = laplacian_variance(image)
        if not np.isfinite(list(row.values())).all():
            raise UserError(f"{path} cannot be measured by all methods: leave it out of the table.")
        known = optics and not options.optics
        row["level_depth"] = level_depth(optics, options.factor) if known else options.level_depth
        row["expected_defocus_um"] = row["expected_level"] * row["level_depth"]
        rows.append(row)
    return planes.join(pd.DataFrame(rows, index=planes.index))


def blur_by_method(measured: pd.DataFrame) -> Dict[str, np.ndarray]:
    """Return how far out of focus each method considers the planes, each in its own unit.

    Parameters
    ----------
    measured : DataFrame
        From :func:`measure_planes`.

    Returns
    -------
    dict of str to ndarray of float, (planes,)
        Blur by method; higher is more out of focus.
    """
    return {
        MODEL: measured["expected_level"].to_numpy(float),
        "power log-log slope": -measured["power_log_log_slope"].to_numpy(float),
        "variance of the Laplacian": -measured["laplacian_variance"].to_numpy(float),
    }


def compare_by_stack(measured: pd.DataFrame) -> pd.DataFrame:
    """Judge each method on each stack.

    The model chooses the best plane by :func:`focusqual.inference.stacks.weighted_level`.

    Parameters
    ----------
    measured : DataFrame
        From :func:`measure_planes`.

    Returns
    -------
    DataFrame
        One row per stack and method: ``stack``, ``kind``, ``method``; ``best_image`` and
        ``best_position`` of the plane that the method considers most in focus; ``focus``;
        ``planes_off``, planes from there to the plane nearest to the focus; ``spearman``, rank
        correlation of blur and distance to the focus, 0 if the blur is the same everywhere.
    """
    rows = []
    for name, planes in measured.groupby("stack"):
        distance = planes["distance"].to_numpy()
        nearest = np.flatnonzero(np.isclose(distance, distance.min()))
        for method, blur in blur_by_method(planes).items():
            choice = blur
            if method == MODEL:
                choice = weighted_level(blur, planes["certainty"].to_numpy())
            best = int(np.argmin(choice))
            row = {
                "stack": name,
                "kind": planes["kind"].iloc[0],
                "method": method,
                "best_image": planes["image"].iloc[best],
                "best_position": planes["position"].iloc[best],
                "focus": planes["focus"].iloc[best],
                "planes_off": np.abs(nearest - best).min(),
                "spearman": spearmanr(blur, distance)[0] if np.ptp(blur) else 0.0,
            }
            rows.append(row)
    return pd.DataFrame(rows)


def compare(measured: pd.DataFrame) -> pd.DataFrame:
    """Judge each method on all planes, and on the planes of each kind if there are several.

    Parameters
    ----------
    measured : DataFrame
        From :func:`measure_planes`.

    Returns
    -------
    DataFrame of object
        One row per kind and method. ``best_plane_right`` and ``best_plane_within_one``: shares of
        the stacks; ``spearman``: mean rank correlation of blur and distance; ``in_out_auc``: area
        under the curve of telling planes out of focus from planes in focus by their blur, whatever
        their stack; for the model alone ``in_focus_score_0_or_1`` and ``far_out_score_3_or_more``:
        shares of ``in_focus_planes`` and ``far_out_planes``, and with known optics the figures of
        :func:`defocus_accuracy`. NaN if there is no such figure.
    """
    rows = _compare(ALL, measured)
    kinds = sorted(measured["kind"].unique())
    if len(kinds) > 1:
        for kind in kinds:
            rows += _compare(kind, measured[measured["kind"] == kind])
    return pd.DataFrame(rows, dtype=object)


def _compare(kind: str, measured: pd.DataFrame) -> List[Dict[str, object]]:
    stacks = compare_by_stack(measured)
    depths, scores = measured["depths_of_field"], measured["score"]
    in_focus, far_out = depths <= IN_FOCUS, depths >= FAR_OUT
    rows = []
    for method, blur in blur_by_method(measured).items():
        found = stacks[stacks["method"] == method]
        row: Dict[str, object] = {
            "kind": kind,
            "method": method,
            "stacks": len(found),
            "planes": len(measured),
            "best_plane_right": np.mean(found["planes_off"] == 0),
            "best_plane_within_one": np.mean(found["planes_off"] <= 1),
            "spearman": np.mean(found["spearman"]),
            "in_out_auc": area_under_curve(blur[depths >= OUT_OF_FOCUS], blur[in_focus]),
        }
        if method == MODEL:
            row["in_focus_planes"] = int(in_focus.sum())
            row["in_focus_score_0_or_1"] = (scores[in_focus] <= 1).mean()
            row["far_out_planes"] = int(far_out.sum())
            row["far_out_score_3_or_more"] = (scores[far_out] >= 3).mean()
            row.update(defocus_accuracy(measured))
        rows.append(row)
    return rows


def within_levels(measured: pd.DataFrame) -> pd.Series:
    """Return True for planes of known optics that the levels cover: up to level 10 out of focus."""
    return measured["distance"] <= (LEVELS - 1) * measured["level_depth"]


def defocus_accuracy(measured: pd.DataFrame) -> Dict[str, float]:
    """Compare the predicted defocus in micrometers with the distance to the focus.

    Parameters
    ----------
    measured : DataFrame
        From :func:`measure_planes`.

    Returns
    -------
    dict of str to float
        ``defocus_planes``, planes :func:`within_levels`; ``defocus_slope`` of the line through
        them, by least squares; ``defocus_mean_absolute_error_um``. Empty if the optics are unknown
        or all distances are the same.
    """
    planes = measured[within_levels(measured)]
    distance, predicted = planes["distance"], planes["expected_defocus_um"]
    if distance.nunique() < 2:
        return {}
    return {
        "defocus_planes": len(planes),
        "defocus_slope": np.polyfit(distance, predicted, 1)[0],
        "defocus_mean_absolute_error_um": (predicted - distance).abs().mean(),
    }


def as_text(compared: pd.DataFrame) -> str:
    """Return the result of :func:`compare` as text: one line per figure, one column per method."""
    parts = []
    for kind, rows in compared.groupby("kind", sort=False):
        figures = rows.set_index("method").drop(columns="kind").T.rename_axis(columns=kind)
        parts.append(figures.to_string(float_format="{:.3f}".format, na_rep=""))
    return "\n\n".join(parts)
