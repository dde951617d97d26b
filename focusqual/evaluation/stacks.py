"""Measure a model on real stacks of planes, beside classical measures of focus."""

from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterable, List, Optional, Sequence, Tuple

import numpy as np
from scipy.stats import spearmanr

from focusqual.evaluation.classical import laplacian_variance, power_log_log_slope
from focusqual.evaluation.scores import area_under_curve
from focusqual.inference.model import FocusModel
from focusqual.inference.options import FocusOptions
from focusqual.inference.prediction import measure_focus
from focusqual.inference.stacks import weighted_level
from focusqual.levels import level_depth, rescaling_factor
from focusqual.optics import Optics
from micrograph_networks.errors import UserError, add_path_to_errors
from micrograph_networks.files.tables import read_csv
from micrograph_networks.images.gray import to_gray
from micrograph_networks.images.image_files import read_image

COLUMNS = ("image", "stack", "position", "focus")
"""That a table of planes needs."""
OPTICS_COLUMNS = ("pixel_size", "numerical_aperture", "wavelength")
"""That give the depth of field of a stack, with ``refractive_index`` where that is not 1."""
IN_FOCUS, OUT_OF_FOCUS, FAR_OUT = 1.0, 2.0, 4.0
"""Depths of field from the focus: in focus up to the first, out of and far out of it from the
others on. With the objective's rescaling factor a level is a depth of field."""
MODEL = "expected level"
"""The method that is ours; the others are classical."""
ALL = "all"
"""The kind that has all planes."""


@dataclass(frozen=True)
class KnownPlane:
    """An image of a stack whose focus is known.

    Attributes
    ----------
    name : str
        Path as the table gives it.
    path : Path
    stack, kind : str
    position, focus : float
        Along the axis, in micrometers, or in another unit if the optics are not known.
    depth_of_field : float
        In the same unit.
    """

    name: str
    path: Path
    stack: str
    kind: str
    position: float
    focus: float
    depth_of_field: float

    @property
    def distance(self) -> float:
        """To the focus, 0 or more."""
        return abs(self.position - self.focus)

    @property
    def depths(self) -> float:
        """The same in depths of field."""
        return self.distance / self.depth_of_field


@dataclass(frozen=True)
class MeasuredPlane:
    """A plane and what the measures say.

    Attributes
    ----------
    plane : KnownPlane
    score, expected_level, certainty : float
        Of the model.
    power_log_log_slope, laplacian_variance : float
    """

    plane: KnownPlane
    score: float
    expected_level: float
    certainty: float
    power_log_log_slope: float
    laplacian_variance: float


def read_planes(folder: Path, table: Path) -> List[KnownPlane]:
    """Read a table of the planes of stacks.

    The depth of field is :func:`focusqual.levels.level_depth` of the stack's optics where the table
    has them: about wavelength n / NA^2, or what the pixels resolve where they are too coarse for
    that. Otherwise it is the median step between the planes.

    Parameters
    ----------
    folder : Path
        What the paths in the table are relative to.
    table : Path
        A CSV with the columns image, stack, position and focus, both along the axis, in
        micrometers; optional ones are kind, such as fluorescence, and pixel_size,
        numerical_aperture, wavelength (micrometers) and refractive_index.

    Returns
    -------
    list of KnownPlane
        Sorted by stack and position.

    Raises
    ------
    UserError
        It is no such table, an image is missing or named twice, or a stack has one plane.
    """
    rows = _read_rows(table)
    stacks: Dict[str, List[Dict[str, str]]] = {}
    for row in rows:
        stacks.setdefault(row["stack"], []).append(row)
    planes = []
    for name, members in sorted(stacks.items()):
        with add_path_to_errors(table):
            depth = _depth_of_field(name, members)
            found = [_plane(Path(folder), row, depth) for row in members]
        planes += sorted(found, key=lambda plane: plane.position)
    return planes


def _read_rows(table: Path) -> List[Dict[str, str]]:
    rows = read_csv(table, COLUMNS, f"a CSV with the columns {', '.join(COLUMNS)}")
    names = [row["image"] for row in rows]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise UserError(f"{table} names {min(repeated)} more than once: keep one row an image.")
    return rows


def _plane(folder: Path, row: Dict[str, str], depth_of_field: float) -> KnownPlane:
    path = folder / row["image"]
    if not path.is_file():
        raise UserError(f"{path} does not exist: the paths are relative to {folder}.")
    return KnownPlane(
        name=row["image"],
        path=path,
        stack=row["stack"],
        kind=row.get("kind") or "unknown",
        position=_number(row, "position"),
        focus=_number(row, "focus"),
        depth_of_field=depth_of_field,
    )


def _depth_of_field(stack: str, rows: Sequence[Dict[str, str]]) -> float:
    """Of a stack, from its optics or from its steps."""
    steps = np.diff(np.unique([_number(row, "position") for row in rows]))
    if not len(steps):
        raise UserError(f"The stack {stack} has planes at one position only: two are needed.")
    first = rows[0]
    if not all(first.get(column) for column in OPTICS_COLUMNS):
        return float(np.median(steps))
    index = _number(first, "refractive_index") if first.get("refractive_index") else 1.0
    pixel_size, aperture, wavelength = (_number(first, column) for column in OPTICS_COLUMNS)
    optics = Optics(pixel_size, aperture, wavelength, index)
    return level_depth(optics, rescaling_factor(optics))


def _number(row: Dict[str, str], column: str) -> float:
    try:
        value = float(row[column])
    except (TypeError, ValueError):
        value = np.nan
    if not np.isfinite(value):
        raise UserError(f"'{row[column]}' in the column {column} is no number.")
    return value


def measure_plane(plane: KnownPlane, model: FocusModel, options: FocusOptions) -> MeasuredPlane:
    """Rate a plane, and take the classical measures of the same image.

    Parameters
    ----------
    plane : KnownPlane
    model : FocusModel
    options : FocusOptions

    Returns
    -------
    MeasuredPlane

    Raises
    ------
    UserError
        The image cannot be read.
    """
    with add_path_to_errors(plane.path):
        image = to_gray(read_image(plane.path))
        summary = measure_focus(image, model, options=options).summary
    return MeasuredPlane(
        plane,
        **{name: summary[name] for name in ("score", "expected_level", "certainty")},
        power_log_log_slope=power_log_log_slope(image),
        laplacian_variance=laplacian_variance(image),
    )


def blur_by_method(measured: Sequence[MeasuredPlane]) -> Dict[str, np.ndarray]:
    """How far out of focus each method holds the planes, in a unit of its own.

    Parameters
    ----------
    measured : list of MeasuredPlane

    Returns
    -------
    dict of str to ndarray of float, (planes,)
        By the method; higher is more out of focus.
    """
    return {
        MODEL: np.array([m.expected_level for m in measured]),
        "power log-log slope": np.array([-m.power_log_log_slope for m in measured]),
        "variance of the Laplacian": np.array([-m.laplacian_variance for m in measured]),
    }


@dataclass(frozen=True)
class StackFigures:
    """How a method does on a stack.

    Attributes
    ----------
    stack, kind, method : str
    best : KnownPlane
        The one that the method holds to be most in focus.
    planes_off : int
        Planes from there to the nearest one to the focus.
    spearman : float
        Rank correlation of the method's blur with the distance to the focus; 0 if the blur is the
        same everywhere.
    """

    stack: str
    kind: str
    method: str
    best: KnownPlane
    planes_off: int
    spearman: float


def stack_figures(measured: Sequence[MeasuredPlane]) -> List[StackFigures]:
    """How each method does on the planes of one stack, sorted by position.

    The model chooses the best plane by :func:`weighted_level`.

    Parameters
    ----------
    measured : list of MeasuredPlane

    Returns
    -------
    list of StackFigures
        One a method.
    """
    planes = [m.plane for m in measured]
    distances = np.array([plane.distance for plane in planes])
    (nearest,) = np.nonzero(np.isclose(distances, distances.min()))
    figures = []
    for method, blur in blur_by_method(measured).items():
        choice = blur
        if method == MODEL:
            choice = weighted_level(blur, np.array([m.certainty for m in measured]))
        best = int(np.argmin(choice))
        figures.append(
            StackFigures(
                planes[0].stack,
                planes[0].kind,
                method,
                planes[best],
                int(np.abs(nearest - best).min()),
                float(spearmanr(blur, distances)[0]) if np.ptp(blur) else 0.0,
            )
        )
    return figures


FIGURES = (
    *("kind", "method", "stacks", "planes", "best_plane_right", "best_plane_within_one"),
    *("spearman", "in_out_auc", "in_focus_planes", "in_focus_score_0_or_1"),
    *("far_out_planes", "far_out_score_3_or_more"),
)
"""Names in :func:`compare`."""


def by_stack(measured: Iterable[MeasuredPlane]) -> List[List[MeasuredPlane]]:
    """Planes of each stack, in the order of the first of each."""
    stacks: Dict[str, List[MeasuredPlane]] = {}
    for plane in measured:
        stacks.setdefault(plane.plane.stack, []).append(plane)
    return list(stacks.values())


def compare(measured: Sequence[MeasuredPlane]) -> List[Dict[str, object]]:
    """Figures of all methods, over all planes and over those of each kind.

    Shares of stacks of which the best plane is one of the nearest to the focus, and one of these or
    next to one; mean rank correlation of blur and distance; area under the curve of telling planes
    out of focus from those in focus by their blur, whatever their stack; shares of the planes in
    focus with a score of 0 or 1, and of those far out with one of 3 or more, for the model alone.

    Parameters
    ----------
    measured : list of MeasuredPlane

    Returns
    -------
    list of dict
        By FIGURES; None where there is no such figure.
    """
    kinds = sorted({m.plane.kind for m in measured})
    groups = {ALL: list(measured)}
    if len(kinds) > 1:
        groups.update((kind, [m for m in measured if m.plane.kind == kind]) for kind in kinds)
    return [row for kind, members in groups.items() for row in _compare(kind, members)]


def _compare(kind: str, measured: Sequence[MeasuredPlane]) -> List[Dict[str, object]]:
    stacks = [figures for planes in by_stack(measured) for figures in stack_figures(planes)]
    depths = np.array([m.plane.depths for m in measured])
    scores = np.array([m.score for m in measured])
    rows = []
    for method, blur in blur_by_method(measured).items():
        ours = [figures for figures in stacks if figures.method == method]
        off = np.array([figures.planes_off for figures in ours])
        row: Dict[str, object] = dict.fromkeys(FIGURES)
        row.update(
            kind=kind,
            method=method,
            stacks=len(ours),
            planes=len(measured),
            best_plane_right=np.mean(off == 0),
            best_plane_within_one=np.mean(off <= 1),
            spearman=np.mean([figures.spearman for figures in ours]),
            in_out_auc=_in_out_auc(depths, blur),
        )
        if method == MODEL:
            row.update(_absolute(depths, scores))
        rows.append(row)
    return rows


def _in_out_auc(depths: np.ndarray, blur: np.ndarray) -> Optional[float]:
    inside, outside = depths <= IN_FOCUS, depths >= OUT_OF_FOCUS
    if not inside.any() or not outside.any():
        return None
    counted = inside | outside
    return area_under_curve(outside[counted], blur[counted])


def _absolute(depths: np.ndarray, scores: np.ndarray) -> Dict[str, object]:
    inside, far = depths <= IN_FOCUS, depths >= FAR_OUT
    return {
        "in_focus_planes": int(inside.sum()),
        "in_focus_score_0_or_1": np.mean(scores[inside] <= 1) if inside.any() else None,
        "far_out_planes": int(far.sum()),
        "far_out_score_3_or_more": np.mean(scores[far] >= 3) if far.any() else None,
    }


PLANE_COLUMNS = (
    *("image", "stack", "kind", "position", "focus", "depths_of_field"),
    *("score", "expected_level", "certainty", "power_log_log_slope", "laplacian_variance"),
)
"""Of planes.csv."""


def plane_row(measured: MeasuredPlane) -> Tuple[object, ...]:
    """A plane in the order of PLANE_COLUMNS."""
    plane = measured.plane
    return (
        *(plane.name, plane.stack, plane.kind, plane.position, plane.focus),
        *(plane.depths, measured.score, measured.expected_level),
        *(measured.certainty, measured.power_log_log_slope, measured.laplacian_variance),
    )


STACK_COLUMNS = (
    *("stack", "kind", "method", "best_image", "best_position", "focus", "planes_off", "spearman"),
)
"""Of stacks.csv."""


def stack_row(figures: StackFigures) -> Tuple[object, ...]:
    """How a method does on a stack in the order of STACK_COLUMNS."""
    best = figures.best
    return (
        *(figures.stack, figures.kind, figures.method, best.name, best.position, best.focus),
        *(figures.planes_off, figures.spearman),
    )


def lines(compared: Sequence[Dict[str, object]]) -> List[str]:
    """What :func:`compare` gives as lines of text, a figure a line and a method a column."""
    text = []
    for kind in dict.fromkeys(row["kind"] for row in compared):
        rows = [row for row in compared if row["kind"] == kind]
        text.append(f"{kind:26}" + "".join(f"{row['method']:>27}" for row in rows))
        for name in FIGURES[2:]:
            text.append(f"  {name:24}" + "".join(f"{_shown(row[name]):>27}" for row in rows))
    return text


def _shown(value: object) -> str:
    return "" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
