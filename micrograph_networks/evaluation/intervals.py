"""95% confidence intervals of shares and of ratios."""

from typing import Tuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binomtest, bootstrap

RESAMPLES = 2000
"""Number of samples of a bootstrap."""


def share_interval(count: int, number: int) -> Tuple[float, float]:
    """Return the interval of a share by Wilson's score (Wilson 1927).

    Parameters
    ----------
    count, number : int
        Numbers of the chosen ones and of all. Without any, the interval is 0 to 1.
    """
    if not number:
        return 0.0, 1.0
    found = binomtest(count, number).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def largest_share(number: int) -> float:
    """Return the largest share that is compatible with none of ``number``, one-sided, at 95%.

    It is 1 - 0.05^(1 / number), about 3 / number (Hanley and Lippman-Hand 1983).
    """
    return 1 - 0.05 ** (1 / number)


def ratio_interval(counts: ArrayLike, sizes: ArrayLike) -> Tuple[float, float]:
    """Return the interval of sum(counts) / sum(sizes) by a bootstrap of pairs (Efron 1979).

    Parameters
    ----------
    counts, sizes : array_like of float, (n,)
        Of each image. Percentiles of resampled images; NaN with fewer than two images, or if no
        image has a size.
    """
    pairs = np.array([counts, sizes], dtype=float)
    if pairs.shape[1] < 2 or not pairs[1].any():
        return np.nan, np.nan

    def ratio(count: np.ndarray, size: np.ndarray, axis: int = -1) -> np.ndarray:
        total = size.sum(axis=axis)
        return count.sum(axis=axis) / np.where(total > 0, total, np.nan)

    resampled = bootstrap(
        tuple(pairs),
        ratio,
        paired=True,
        n_resamples=RESAMPLES,
        batch=RESAMPLES // 20,  # memory of 10,000 images
        method="percentile",
        random_state=np.random.default_rng(0),
    )
    low, high = resampled.confidence_interval
    return float(low), float(high)
