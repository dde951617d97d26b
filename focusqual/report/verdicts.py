"""Verdicts: which images and wells of a plate are usable.

The rules are expressions that are valid both in Python, which evaluates them here, and in
JavaScript, in which the page of the plate evaluates the same rules when a slider moves.
"""

from collections import Counter, defaultdict
from typing import Any, Dict, List, Mapping, Tuple

import numpy as np

from focusqual.report.options import Thresholds

VERDICTS = ("in focus", "out of focus", "blank", "not measured")
"""Verdicts of an image."""
IN_FOCUS, OUT_OF_FOCUS, BLANK, NOT_MEASURED = VERDICTS
COLORS = dict(zip(VERDICTS, ("#3b6fd4", "#d8492f", "#8a8a8a", "white")))
"""Color of each verdict."""
RULES = {
    NOT_MEASURED: "measured == 0",
    BLANK: "certainty < lowest_certainty",
    OUT_OF_FOCUS: "score > highest_score",
}
"""Rules for an image: the first that is true gives the verdict; without one it is in focus."""
EXCLUDED = "(images - images_in_focus) / images > largest_share"
"""Rule for a well to be excluded."""
COUNTS = [f"images_{verdict.replace(' ', '_')}" for verdict in VERDICTS]
WELL_COLUMNS = ("plate", "well", "images", *COUNTS)
"""Columns of excluded_wells.csv."""


def verdicts(images: Mapping[str, Any], thresholds: Thresholds) -> np.ndarray:
    """Return one of VERDICTS for each image.

    Parameters
    ----------
    images : mapping of str to array, or DataFrame
        Columns ``measured``, ``certainty``, ``score`` and ``channel``.
    thresholds : Thresholds

    Returns
    -------
    ndarray of str, (n,)
    """
    scores = thresholds.highest_scores
    values: Dict[str, Any] = {
        name: np.asarray(images[name]) for name in ("measured", "certainty", "score")
    }
    values["lowest_certainty"] = thresholds.lowest_certainty
    values["highest_score"] = thresholds.highest_score
    if scores:
        values["highest_score"] = np.array([scores[channel] for channel in images["channel"]])
    cases = [eval(rule, {}, values) for rule in RULES.values()]
    return np.select(cases, list(RULES), IN_FOCUS)


def excluded_wells(images: Mapping[str, Any], thresholds: Thresholds) -> List[Tuple[Any, ...]]:
    """Find the wells with too many images that are not in focus.

    Returns
    -------
    list of tuple
        WELL_COLUMNS: plate, well, and the numbers of images in total and of each verdict; sorted
        by plate and well.
    """
    counts: Dict[Tuple[str, str], Counter] = defaultdict(Counter)
    for plate, well, verdict in zip(images["plate"], images["well"], verdicts(images, thresholds)):
        if well:
            counts[plate, well][verdict] += 1
    rows = [
        (*well, sum(counted.values()), *(counted[verdict] for verdict in VERDICTS))
        for well, counted in sorted(counts.items())
    ]
    limits = {"largest_share": thresholds.largest_share}
    return [row for row in rows if eval(EXCLUDED, {}, {**dict(zip(WELL_COLUMNS, row)), **limits})]
