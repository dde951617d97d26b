"""How well a value separates two kinds of cases."""

import numpy as np
from scipy.stats import mannwhitneyu


def area_under_curve(positive: np.ndarray, negative: np.ndarray) -> float:
    """Return the probability that a positive case has a larger value than a negative one.

    Ties count half. It is the area under the ROC curve (Hanley and McNeil 1982).

    Parameters
    ----------
    positive, negative : array_like of float, (n,) and (m,)
        Values of the cases of each kind.

    Returns
    -------
    float
        0 to 1; NaN if there are no cases of a kind.
    """
    if not len(positive) or not len(negative):
        return np.nan
    return float(mannwhitneyu(positive, negative).statistic / (len(positive) * len(negative)))
