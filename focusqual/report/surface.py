"""The surface of a plate: its defocus as a smooth function of position and time.

Defocus levels are unsigned: they show the absolute value of the surface through the response of the
focus network, which is flat within the depth of field and ends at the last level. NumPy and SciPy
only, because CellProfiler's application has nothing else.
"""

import itertools
from typing import List, NamedTuple, Sequence, Tuple

import numpy as np
from scipy.optimize import least_squares
from scipy.special import expit

from focusqual.levels import LEVELS

OFFSET, TILT, BOW, DRIFT = PARTS = ("offset", "tilt", "bow", "drift")
"""Parts of a surface."""
END = LEVELS - 2.0
"""Level from which levels do not follow the defocus any more; higher ones count as this one."""
OUT_OF_FOCUS = 1.5
"""Level from which images are out of focus: their score is then usually 2."""
SOFTNESS = 0.35
"""Width of the knee of the response in levels, measured with focus_v2 on simulated nuclei."""
RESPONSE_PRIOR = np.array([[0.4, 0.3], [1.3, 0.5]])
"""Mean and standard deviation of the floor and the knee of the response, in levels. focus_v2 has a
floor of 0.35 and a knee at 2.0 on simulated nuclei; smooth specimens have a higher floor."""
RESPONSE_BOUNDS = ((0.0, 0.3), (OUT_OF_FOCUS, 2.5))
"""Lowest and highest floor and knee."""
LEAST_NOISE = 0.1
"""Minimum standard deviation of levels of equal defocus."""
STARTS, STEPS, POLISHED = 96, 60, 3
"""Starting points, steps from each, and the number of the best ones that are refined."""
SEARCHED = 600
"""Number of images for the search from the starting points."""
RESAMPLINGS = 400
"""Number of bootstrap samples."""
PERMUTED = 150
"""Number of wells for the comparison with permuted wells."""


class Response(NamedTuple):
    """Levels that the focus network gives: ``floor`` in focus, the defocus beyond the knee, END.

    Attributes
    ----------
    floor, knee : float
        Lowest level, and defocus at which levels start to follow it.
    """

    floor: float
    knee: float

    def levels(self, defocus: np.ndarray) -> np.ndarray:
        """Return the level of each defocus, both in levels; the sign does not matter."""
        depth = np.abs(defocus)
        gate = expit((depth - self.knee) / SOFTNESS)
        return self.floor + gate * np.maximum(np.minimum(depth, END) - self.floor, 0)

    def gradient(self, defocus: np.ndarray) -> np.ndarray:
        """Return the derivatives by defocus, floor and knee, (n, 3)."""
        depth = np.abs(defocus)
        gate = expit((depth - self.knee) / SOFTNESS)
        slope = gate * (1 - gate) / SOFTNESS
        rise = np.minimum(depth, END) - self.floor
        above = rise > 0
        inside = above & (depth < END)
        return np.stack(
            [
                np.sign(defocus) * (gate * inside + slope * rise * above),
                1 - gate * above,
                -slope * rise * above,
            ],
            axis=-1,
        )


class Fit(NamedTuple):
    """A surface that was fitted to levels.

    Attributes
    ----------
    parts : tuple of str
        Those of PARTS that the surface consists of.
    columns : ndarray of int, (k,)
        Columns of the design that belong to them.
    coefficients : ndarray of float, (k,)
        Coefficients of these columns, in levels.
    response : Response
    cost : float
        Sum of the robust losses of the images, in units of squared noise.
    """

    parts: Tuple[str, ...]
    columns: np.ndarray
    coefficients: np.ndarray
    response: Response
    cost: float

    def defocus(self, design: np.ndarray) -> np.ndarray:
        """Return the signed defocus at the positions of a design, (n,), in levels."""
        return design[:, self.columns] @ self.coefficients

    def levels(self, design: np.ndarray) -> np.ndarray:
        """Return the levels that the surface explains at the positions of a design, (n,)."""
        return self.response.levels(self.defocus(design))


def design_columns(parts: Sequence[str]) -> np.ndarray:
    """Return the columns of the design that belong to these parts: 1, x, y, r^2, t."""
    columns = {OFFSET: [0], TILT: [1, 2], BOW: [3], DRIFT: [4]}
    return np.array([column for part in parts for column in columns[part]], int)


def fit_surface(design: np.ndarray, level: np.ndarray, allowed: Sequence[str]) -> Tuple[Fit, float]:
    """Fit the simplest surface that explains the levels.

    Each combination of parts is fitted from many starting points by minimizing Cauchy's loss, which
    ignores single images far from the surface. The one with the smallest Bayesian information
    criterion is returned.

    Parameters
    ----------
    design : ndarray of float, (n, 5)
        Columns 1, x, y, r^2, t for each image, between -1 and 1.
    level : ndarray of float, (n,)
        Defocus levels, 0 to END.
    allowed : sequence of str
        Those of PARTS that may be used.

    Returns
    -------
    Fit
    float
        Robust standard deviation of the levels around the surface with all parts.
    """
    rest = [part for part in allowed if part != OFFSET]
    subsets = [
        (OFFSET, *chosen)
        for count in range(len(rest), -1, -1)
        for chosen in itertools.combinations(rest, count)
    ]
    noise = 0.5
    for _ in range(2):
        whole = _fit_parts(design, level, subsets[0], noise)
        residual = level - whole.levels(design)
        noise = max(LEAST_NOISE, 1.4826 * float(np.median(np.abs(residual))))
    fits = [_fit_parts(design, level, parts, noise) for parts in subsets]
    fits.append(_fit_parts(design, level, (), noise))
    best = min(fits, key=lambda fit: fit.cost + len(fit.columns) * np.log(len(level)))
    return best, noise


def _fit_parts(design: np.ndarray, level: np.ndarray, parts: Tuple[str, ...], noise: float) -> Fit:
    columns = design_columns(parts)
    chosen = design[:, columns]
    begin = _first_response(level)
    starts = _search(chosen, level, begin) if parts else [np.empty(0)]
    fits = [_polish(chosen, level, start, begin, noise) for start in starts]
    coefficients, response, cost = min(fits, key=lambda fit: fit[2])
    if np.median(chosen @ coefficients) < 0:
        coefficients = -coefficients
    return Fit(parts, columns, coefficients, response, cost)


def _first_response(level: np.ndarray) -> Response:
    return Response(float(np.clip(np.quantile(level, 0.1), 0, 1)), RESPONSE_PRIOR[1, 0])


def _search(design: np.ndarray, level: np.ndarray, response: Response) -> List[np.ndarray]:
    """Return the best distinct coefficients from many starting points."""
    rng = np.random.default_rng(0)
    some = rng.permutation(len(level))[:SEARCHED]
    levels = np.repeat(level[some, None], STARTS, axis=1)
    coefficients, losses = _descend(design[some], levels, response, rng, STEPS)
    chosen: List[np.ndarray] = []
    for one in coefficients.T[np.argsort(losses)]:
        near = (min(abs(one - other).max(), abs(one + other).max()) < 0.5 for other in chosen)
        if not any(near) and len(chosen) < POLISHED:
            chosen.append(one)
    return chosen


def _descend(
    design: np.ndarray,
    levels: np.ndarray,
    response: Response,
    rng: np.random.Generator,
    steps: int,
) -> Tuple[np.ndarray, np.ndarray]:
    """Fit a surface to each column of levels, (n, m), from a random starting point.

    Each step adds the residuals, cut off where they are large, to the surface, and fits it again
    by linear least squares: Huber's method of modified residuals (Robust Statistics, section 7.8).

    Returns
    -------
    ndarray of float, (k, m)
        Coefficients.
    ndarray of float, (m,)
        Robust losses.
    """
    solve = np.linalg.pinv(design)
    coefficients = rng.normal(0, LEVELS / 2, (design.shape[1], levels.shape[1]))
    coefficients[~design.any(axis=0)] = 0  # such as y, if all images are in a row
    for _ in range(steps):
        surface = design @ coefficients
        residual = np.clip(levels - response.levels(surface), -1, 1)
        coefficients += solve @ np.where(surface < 0, -residual, residual)
    residual = levels - response.levels(design @ coefficients)
    return coefficients, np.log1p(residual**2).sum(axis=0)


def _polish(
    design: np.ndarray, level: np.ndarray, start: np.ndarray, begin: Response, noise: float
) -> Tuple[np.ndarray, Response, float]:
    """Refine coefficients, floor and knee; return them with the cost."""
    size = len(start)
    mean, deviation = RESPONSE_PRIOR.T
    scale = np.concatenate([np.full(len(level), noise), deviation])

    def residuals(values: np.ndarray) -> np.ndarray:
        response = Response(*values[size:])
        prior = values[size:] - mean
        return np.concatenate([level - response.levels(design @ values[:size]), prior]) / scale

    def jacobian(values: np.ndarray) -> np.ndarray:
        response = Response(*values[size:])
        gradient = response.gradient(design @ values[:size])
        levels = np.hstack([design * gradient[:, :1], gradient[:, 1:]])
        prior = np.hstack([np.zeros((2, size)), -np.eye(2)])
        return -np.vstack([levels, prior]) / scale[:, None]

    low, high = RESPONSE_BOUNDS
    found = least_squares(
        residuals,
        [*start, *np.clip(begin, np.add(low, 0.01), np.subtract(high, 0.01))],
        jacobian,
        ([-np.inf] * size + list(low), [np.inf] * size + list(high)),
        loss="cauchy",
        f_scale=2.0,
        x_scale=1.0,
        max_nfev=50,
    )
    return found.x[:size], Response(*found.x[size:]), 2 * found.cost


def resampled(
    fit: Fit, design: np.ndarray, level: np.ndarray, noise: float, groups: np.ndarray
) -> np.ndarray:
    """Return coefficients of bootstrap samples of wells, (RESAMPLINGS, k).

    Each sample takes one step from the fitted coefficients, floor and knee.

    Parameters
    ----------
    fit : Fit
    design, level : ndarray
        See :func:`fit_surface`.
    noise : float
        Standard deviation of the levels.
    groups : ndarray of int, (n,)
        Number of the well of each image, from 0.
    """
    defocus = fit.defocus(design)
    gradient = fit.response.gradient(defocus)
    jacobian = np.hstack([design[:, fit.columns] * gradient[:, :1], gradient[:, 1:]])
    residual = level - fit.response.levels(defocus)
    shrunk = 1 / (1 + (residual / (2 * noise)) ** 2)
    # The derivative of the influence of a residual in Cauchy's loss, on average.
    curvature = np.mean(2 * shrunk**2 - shrunk) / np.mean(shrunk)
    count = groups.max() + 1
    size = jacobian.shape[1]
    squares = np.zeros((count, size, size))
    slopes = np.zeros((count, size))
    np.add.at(squares, groups, shrunk[:, None, None] * jacobian[:, :, None] * jacobian[:, None])
    np.add.at(slopes, groups, (shrunk * residual)[:, None] * jacobian)
    slopes -= slopes.mean(axis=0)  # 0 at the optimum, but for the prior
    prior = np.zeros(size)
    prior[-2:] = (noise / RESPONSE_PRIOR[:, 1]) ** 2
    rng = np.random.default_rng(0)
    counts = rng.multinomial(count, np.full(count, 1 / count), RESAMPLINGS)
    matrices = np.tensordot(counts, squares, 1) * max(curvature, 0.2)
    matrices += np.diag(prior + 1e-6)
    steps = np.linalg.solve(matrices, (counts @ slopes)[..., None])[..., 0]
    return fit.coefficients + steps[:, :-2]


def follows_positions(design: np.ndarray, level: np.ndarray, groups: np.ndarray) -> bool:
    """Return True if a surface explains the levels better than those of permuted wells, p = 0.01.

    Wells are permuted as a whole, because their images are alike: ``groups`` (n,) are the numbers
    of the wells, from 0.
    """
    order = np.argsort(groups, kind="stable")
    wells = np.split(order, np.cumsum(np.bincount(groups))[:-1])
    level = np.array([np.median(level[well]) for well in wells])
    design = np.array([design[well].mean(axis=0) for well in wells])
    rng = np.random.default_rng(0)
    some = rng.permutation(len(level))[:PERMUTED]
    design, level = design[some], level[some]
    orders = np.stack([np.arange(len(level)), *(rng.permutation(len(level)) for _ in range(99))])
    levels = np.repeat(level[orders].T, STARTS // 4, axis=1)
    _, losses = _descend(design, levels, _first_response(level), rng, STEPS // 2)
    best = losses.reshape(len(orders), -1).min(axis=1)
    return bool(best[0] < best[1:].min())
