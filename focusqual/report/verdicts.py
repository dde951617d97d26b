"""Which images and wells of a plate are fit for use."""

import numpy as np
import pandas as pd

from focusqual.report.options import Thresholds

IN_FOCUS, OUT_OF_FOCUS, NOTHING, NOT_MEASURED = VERDICTS = (
    *("in focus", "out of focus", "nothing to see", "not measured"),
)
"""On an image."""


def verdicts(images: pd.DataFrame, thresholds: Thresholds) -> pd.Series:
    """Judge images.

    Parameters
    ----------
    images : DataFrame
        As :func:`focusqual.report.measurements.read_measurements` gives them.
    thresholds : Thresholds

    Returns
    -------
    Series of str
        Of VERDICTS.
    """
    cases = [
        images[["score", "certainty"]].isna().any(axis=1),
        images["certainty"] < thresholds.lowest_certainty,
        images["score"] > thresholds.highest_score,
    ]
    found = np.select(cases, [NOT_MEASURED, NOTHING, OUT_OF_FOCUS], IN_FOCUS)
    return pd.Series(found, index=images.index)


def excluded_wells(images: pd.DataFrame, thresholds: Thresholds) -> pd.DataFrame:
    """Wells too many of whose images are not in focus.

    Parameters
    ----------
    images : DataFrame
        As :func:`focusqual.report.measurements.read_measurements` gives them.
    thresholds : Thresholds

    Returns
    -------
    DataFrame
        A row a well, in the order of plates and wells: ``plate``, ``well``, ``images``, how many
        there are, and how many of each verdict, as ``in_focus``, ``out_of_focus``,
        ``nothing_to_see`` and ``not_measured``.
    """
    known = images[images["well"] != ""]
    judged = pd.Categorical(verdicts(known, thresholds), VERDICTS)
    counts = pd.crosstab([known["plate"], known["well"]], judged, dropna=False)
    counts = counts.reindex(columns=VERDICTS, fill_value=0)
    total = counts.sum(axis=1)
    counts.insert(0, "images", total)
    left_out = counts[(total > 0) & ((total - counts[IN_FOCUS]) / total > thresholds.largest_share)]
    named = left_out.rename(columns=lambda name: name.replace(" ", "_"))
    return named.rename_axis(columns=None).reset_index()
