"""Audit of a plate: its surface, single failures, and the verdict of each image.

NumPy and SciPy only, because CellProfiler's application has nothing else.
"""

import math
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

import numpy as np
from scipy.stats import spearmanr

from focusqual.report import surface
from focusqual.report.surface import BOW, DRIFT, OFFSET, PARTS, TILT, Fit
from focusqual.report.verdicts import IN_FOCUS, OUT_OF_FOCUS
from focusqual.report.wells import PLATES, ROWS, plate_shape
from micrograph_networks.errors import UserError

SURFACE, FAILURE = "surface", "failure"
"""Verdicts of images out of focus: as the surface explains, or far beyond it."""
PITCHES = dict(zip(PLATES, (39.0, 26.0, 19.0, 13.0, 9.0, 4.5, 2.25)))
"""Distance of the wells in millimeters, by rows and columns of the plate."""
SITE_STEP, SITES_WIDTH = 1.0, 0.7
"""Distance of neighboring sites in millimeters where stage positions are unknown, and the maximum
width of the grid of sites as a share of the distance of the wells."""
MOST_WELLS = 48
"""Maximum number of columns of a plate."""
FEWEST = 6
"""Minimum number of images that are not blank, and of wells for a surface that is not level."""
FEW_WELLS = 20
"""Number of wells below which images are permuted and resampled instead of wells."""
SMALLEST_PART = 0.3
"""Smallest part of a surface that counts, in levels, without what other parts explain as well."""
SMALLEST_RISE = 0.5
"""Smallest difference of the levels that a surface explains."""
LEAST_EVIDENCE = 12.0
"""Minimum squared ratio of a part of the surface to its standard error."""
CLEAR_CORRELATION = 0.5
"""Minimum correlation of stage z and defocus, beyond the surface, that shows the sign."""
UNKNOWN_SHARE, UNKNOWN_LEVELS = 0.05, 0.2
"""Error of a surface that comes from the unknown response of the network to the specimen: a share
of the surface, and levels. On most plates simulated with other responses it is smaller."""
FAR_BEYOND, FAR_DEVIATIONS = 1.8, 4.5
"""Minimum distance of a failure beyond the surface, in levels and in standard deviations."""


class Estimate(NamedTuple):
    """A value and its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class PlateAudit:
    """Findings about one plate. Lengths are in micrometers if the optics are known, else levels.

    Attributes
    ----------
    plate : str
    level : float
        Length of a level.
    rows : ndarray of int, (n,)
        Rows of the images of the plate in the table.
    place : ndarray of float, (n, 2)
        x and y of the images in millimeters.
    defocus, expected : ndarray of float, (n,)
        Measured defocus, and that which the surface explains; NaN where unknown.
    verdict : ndarray of str, (n,)
        ``in focus``, ``surface``, ``failure``, ``blank`` or ``not measured``.
    values : dict of str to Estimate or None
        Tilt, bow, offset and drift (per hour); None if not found.
    ends : tuple of str
        Wells or stage positions between which the plane of the tilt differs most; the second one
        has the higher stage, if the sign is known.
    signed : bool
        True if the stage z shows the sign of the values: it is too high where they are positive.
        Otherwise the offset is positive by convention.
    problem : str
        Why the plate cannot be audited; empty if it was.
    """

    plate: str
    level: float
    rows: np.ndarray
    place: np.ndarray
    defocus: np.ndarray
    expected: np.ndarray
    verdict: np.ndarray
    values: Dict[str, Optional[Estimate]]
    ends: Tuple[str, str]
    signed: bool
    problem: str


class Positions(NamedTuple):
    """Positions and times of the images of a plate.

    Attributes
    ----------
    place : ndarray of float, (n, 2)
        x and y of the images in millimeters.
    design : ndarray of float, (n, 5)
        Columns 1, x, y, r^2 and t, see :func:`focusqual.report.surface.fit_surface`.
    plane : ndarray of float, (m, 2)
        x and y of all wells of the plate, or of the images if they have stage positions.
    names : list of str
        Names of these.
    groups : ndarray of int, (n,)
        Number of the well of each image.
    hours : float
        Half of the time from the first to the last image; 0 if unknown.
    """

    place: np.ndarray
    design: np.ndarray
    plane: np.ndarray
    names: List[str]
    groups: np.ndarray
    hours: float


def audit(images: Mapping[str, Any]) -> Tuple[str, List[PlateAudit]]:
    """Find out what went wrong with each plate of a table.

    Parameters
    ----------
    images : mapping of str to array, or DataFrame
        Columns ``plate``, ``well``, ``row``, ``col``, ``site`` and ``expected_level``, see
        :func:`focusqual.report.measurements.measurements`, and ``verdict``, one of
        ``focusqual.report.verdicts.VERDICTS``. Optional columns are ``expected_defocus_um``,
        ``stage_x_um``, ``stage_y_um`` and ``stage_z_um``, and a time, such as ``time (hours)``.

    Returns
    -------
    str
        Unit of lengths: ``um`` if the defocus of all images in micrometers is known, or ``levels``.
    list of PlateAudit
        Sorted by plate. If any image has a well, those without one belong to none; otherwise those
        without a stage position.

    Raises
    ------
    UserError
        No image has a position, or no plate can be audited.
    """
    table = {name: np.asarray(images[name]) for name in images}
    times = [values for name, values in table.items() if name.endswith(" (hours)")]
    table["hours"] = times[0] if times else np.zeros(len(table["plate"]))
    in_wells = table["well"] != ""
    positioned = in_wells if in_wells.any() else np.isfinite(_stage(table)).all(axis=1)
    if not positioned.any():
        raise UserError(
            "No image has a position: give wells, such as A01, as Metadata_Well, or positions as "
            "stage_x_um and stage_y_um."
        )
    shown = positioned & np.isin(table["verdict"], (IN_FOCUS, OUT_OF_FOCUS))
    table["shown"] = shown
    level = table["expected_level"].astype(float)
    micrometers = table.get("expected_defocus_um", np.full(len(level), np.nan)).astype(float)
    in_micrometers = bool(shown.any() and np.isfinite(micrometers[shown]).all())
    table["defocus"] = micrometers if in_micrometers else level
    found = []
    for plate in np.unique(table["plate"][positioned].astype(str)):
        rows = np.flatnonzero(positioned & (table["plate"] == plate))
        found.append(_audit_plate(plate, rows, {name: table[name][rows] for name in table}))
    if all(one.problem for one in found):
        raise UserError(found[0].problem)
    return "um" if in_micrometers else "levels", found


def _audit_plate(plate: str, rows: np.ndarray, images: Dict[str, np.ndarray]) -> PlateAudit:
    where = positions(images)
    shown = images["shown"]
    level = np.minimum(images["expected_level"].astype(float), surface.END)
    problem = _problem(plate, images, where)
    verdict = np.where(images["verdict"] == OUT_OF_FOCUS, SURFACE, images["verdict"])
    values: Dict[str, Optional[Estimate]] = dict.fromkeys(PARTS)
    expected, ends, unit, sign = np.full(len(rows), np.nan), ("", ""), 1.0, 0
    if not problem:
        positive = shown & (level > 0)
        ratios = images["defocus"][positive] / images["expected_level"][positive]
        unit = float(np.median(ratios)) if len(ratios) else 1.0
        design, levels, groups = where.design[shown], level[shown], where.groups[shown]
        fit, samples = _explain(design, levels, groups)
        explained = fit.levels(where.design)
        scatter = _scatter(levels - explained[shown], explained[shown])
        limit = np.maximum(FAR_BEYOND, FAR_DEVIATIONS * scatter)
        # Part of an image may be blurred although its score, the median, is in focus.
        blurred = images["verdict"][shown] == OUT_OF_FOCUS
        beyond = images["expected_level"][shown] - explained[shown] > limit
        verdict[np.flatnonzero(shown)[blurred & beyond]] = FAILURE
        expected = explained * unit
        if "stage_z_um" in images:
            sign = _sign(fit, design, levels, images["stage_z_um"][shown].astype(float))
        values, ends = _values(fit, samples, where, unit, sign)
    return PlateAudit(
        *(plate, unit, rows, where.place, images["defocus"], expected, verdict),
        *(values, ends, sign != 0, problem),
    )


def _problem(plate: str, images: Mapping[str, np.ndarray], where: Positions) -> str:
    """Say why a plate cannot be audited; empty if it can."""
    name = f"Plate {plate}" if plate else "The plate"
    shown = images["shown"]
    if not shown.any():
        return f"{name} has no image that is measured and not blank."
    if len(np.unique(where.groups)) == 1:
        return f"{name} has images of one well only: an audit compares wells."
    if not np.ptp(where.place, axis=0).any():
        return f"{name} has images at one position only: an audit compares positions."
    if shown.sum() < FEWEST:
        return f"{name} has too few images that are not blank ({shown.sum()}): {FEWEST} are needed."
    return ""


def _explain(design: np.ndarray, level: np.ndarray, groups: np.ndarray) -> Tuple[Fit, np.ndarray]:
    """Fit a surface of which each part is certain and matters; return bootstrap samples as well."""
    wells = len(np.unique(groups))
    if wells < FEW_WELLS:
        groups = np.arange(len(level))
    _, groups = np.unique(groups, return_inverse=True)
    allowed = [OFFSET]
    if wells >= FEWEST and surface.follows_positions(design, level, groups):
        allowed += [TILT, BOW, DRIFT] if np.ptp(design[:, 4]) else [TILT, BOW]
    while True:
        fit, noise = surface.fit_surface(design, level, allowed)
        samples = surface.resampled(fit, design, level, noise, groups)
        weakest = _weakest(fit, samples, design)
        if not weakest:
            return fit, samples
        allowed.remove(weakest)


def _weakest(fit: Fit, samples: np.ndarray, design: np.ndarray) -> str:
    """Return the part of a surface that is most likely chance or too small; empty if none is."""
    if OFFSET in fit.parts and len(fit.parts) == 1:
        inside = np.median(fit.levels(design)) < surface.OUT_OF_FOCUS
        return OFFSET if inside else ""
    evidence = {}
    for part in fit.parts[1:]:
        mine = np.isin(fit.columns, surface.design_columns([part]))
        covariance = np.cov(samples[:, mine].T).reshape(mine.sum(), -1)
        chosen = fit.coefficients[mine]
        evidence[part] = float(chosen @ np.linalg.pinv(covariance) @ chosen)
        others = design[:, fit.columns[~mine]]
        alone = design[:, fit.columns[mine]] @ chosen
        alone = alone - others @ np.linalg.lstsq(others, alone, rcond=None)[0]
        if np.ptp(alone) < SMALLEST_PART or np.ptp(fit.levels(design)) < SMALLEST_RISE:
            evidence[part] = 0.0
    least = min(evidence, key=lambda part: evidence[part], default="")
    return least if evidence and evidence[least] < LEAST_EVIDENCE else ""


def _scatter(residual: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return the robust standard deviation of residuals at each expected level, (n,).

    Higher levels scatter more. The images are divided into groups of similar expected levels.
    """
    order = np.argsort(expected, kind="stable")
    groups = np.array_split(order, min(8, max(1, len(order) // 40)))
    centers = [np.median(expected[group]) for group in groups]
    spreads = [1.4826 * np.median(np.abs(residual[group])) for group in groups]
    return np.maximum(surface.LEAST_NOISE, np.interp(expected, centers, spreads))


def _sign(fit: Fit, design: np.ndarray, level: np.ndarray, z: np.ndarray) -> int:
    """Return the sign of the surface by the stage z of the images; 0 if it does not tell.

    Where the stage is higher than near by, images are further out of focus if it is too high there,
    and less if it is too low.
    """
    defocus = fit.defocus(design)
    outside = (np.abs(defocus) > surface.OUT_OF_FOCUS) & (level < surface.END)
    if not np.isfinite(z).all() or np.ptp(z) == 0 or outside.sum() < FEW_WELLS:
        return 0
    higher = z - design @ np.linalg.lstsq(design, z, rcond=None)[0]
    further = np.sign(defocus) * (level - fit.levels(design))
    correlation, chance = spearmanr(higher[outside], further[outside])
    is_clear = abs(correlation) > CLEAR_CORRELATION and chance < 0.001
    return int(np.sign(correlation)) if is_clear else 0


def _values(
    fit: Fit, samples: np.ndarray, where: Positions, unit: float, sign: int
) -> Tuple[Dict[str, Optional[Estimate]], Tuple[str, str]]:
    """Return the estimates of the parts, and the ends of the tilt."""
    values: Dict[str, Optional[Estimate]] = dict.fromkeys(PARTS)
    ends = ("", "")
    all_samples = (sign or 1) * np.vstack([fit.coefficients, samples])
    for part in fit.parts:
        mine = np.isin(fit.columns, surface.design_columns([part]))
        chosen = unit * all_samples[:, mine]
        if part == OFFSET:
            size = np.median(unit * all_samples @ where.design[:, fit.columns].T, axis=1)
        elif part == TILT:
            plane = where.plane @ chosen.T
            size = np.ptp(plane, axis=0)
            low, high = plane[:, 0].argmin(), plane[:, 0].argmax()
            ends = (where.names[low], where.names[high])
            if not sign and low > high:
                ends = ends[::-1]
        else:
            size = chosen[:, 0] / (where.hours if part == DRIFT else 1)
        # The drift, per hour, of a level.
        step = unit / where.hours if part == DRIFT else unit
        values[part] = _estimate(size[0], size[1:], UNKNOWN_LEVELS * step)
    offset = values[OFFSET]
    if offset and (offset.low < 0 < offset.high or abs(offset.value) < SMALLEST_PART * unit):
        values[OFFSET] = None
    return values, ends


def _estimate(value: float, samples: np.ndarray, unknown: float) -> Estimate:
    """Return the bootstrap interval, widened by the uncertainty of the response."""
    low, high = np.quantile(samples, (0.025, 0.975))
    wider = np.hypot(unknown, UNKNOWN_SHARE * value)
    return Estimate(
        float(value),
        float(value - np.hypot(value - low, wider)),
        float(value + np.hypot(high - value, wider)),
    )


def _stage(images: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the stage position of each image in millimeters, (n, 2), NaN where unknown.

    An axis that is the same for all images may be missing.
    """
    known = [axis for axis in "xy" if f"stage_{axis}_um" in images]
    stage = np.full((len(images["plate"]), 2), 0.0 if known else np.nan)
    for axis in known:
        stage[:, "xy".index(axis)] = images[f"stage_{axis}_um"].astype(float) / 1000
    return stage


def positions(images: Mapping[str, np.ndarray]) -> Positions:
    """Return the positions of images of one plate, which all have a well or a stage position."""
    stage, hours = _stage(images), images["hours"].astype(float)
    has_stage = bool(np.isfinite(stage).all() and np.ptp(stage, axis=0).any())
    if (images["well"] == "").any():
        names = [f"x {x:.1f}, y {y:.1f} mm" for x, y in stage]
        return _scaled(stage, stage, names, np.arange(len(stage)), hours)
    shape = plate_shape(images)
    pitch = PITCHES[shape]
    place = pitch * np.stack([images["col"], images["row"]], axis=1)
    groups = images["row"] * MOST_WELLS + images["col"]
    if has_stage:
        if np.ptp(stage, axis=0).max() < pitch and np.ptp(groups):
            stage = place + stage  # measured from the center of each well
        return _scaled(stage, stage, list(images["well"]), groups, hours)
    wells = np.indices(shape).reshape(2, -1)[::-1].T  # column and row
    names = [f"{ROWS[row]}{col + 1:02}" for col, row in wells]
    side = math.ceil(math.sqrt(images["site"].max() + 1))
    step = min(SITE_STEP, SITES_WIDTH * pitch / side)
    grid = np.stack([images["site"] % side, images["site"] // side], axis=1)
    return _scaled(place + step * (grid - (side - 1) / 2), pitch * wells, names, groups, hours)


def _scaled(
    place: np.ndarray,
    plane: np.ndarray,
    names: List[str],
    groups: np.ndarray,
    hours: np.ndarray,
) -> Positions:
    center = (plane.max(axis=0) + plane.min(axis=0)) / 2
    distance = max(np.hypot(*(one - center).T).max() for one in (plane, place)) or 1.0
    x, y = ((place - np.median(place, axis=0)) / distance).T
    radius = np.hypot(*(place - center).T) / distance
    time, half = np.zeros(len(x)), 0.0
    if np.isfinite(hours).all() and np.ptp(hours) > 0:
        half = float(np.ptp(hours) / 2)
        time = (hours - hours.min()) / half - 1
    design = np.stack([np.ones(len(x)), x, y, radius**2, time], axis=1)
    return Positions(place, design, plane / distance, names, groups, half)
