"""Verdicts: which images and wells of a plate are usable.

The rules are expressions that are valid both in pandas, which evaluates them here, and in
JavaScript, in which the page of the plate evaluates the same rules when a slider moves.
"""

from typing import TYPE_CHECKING

import numpy as np

from focusqual.report.options import Thresholds

if TYPE_CHECKING:
    import pandas as pd

VERDICTS = ("in focus", "out of focus", "blank", "not measured")
"""Verdicts of an image."""
IN_FOCUS, OUT_OF_FOCUS, BLANK, NOT_MEASURED = VERDICTS
COLORS = dict(zip(VERDICTS, ("#3b6fd4", "#d8492f", "#a9a9a9", "white")))
"""Color of each verdict."""
RULES = {
    NOT_MEASURED: "measured == 0",
    BLANK: "certainty < lowest_certainty",
    OUT_OF_FOCUS: "score > highest_score",
}
"""Rules for an image: the first that is true gives the verdict; without one it is in focus."""
EXCLUDED = "(images - images_in_focus) / images > largest_share"
"""Rule for a well to be excluded."""
COUNTS = {verdict: f"images_{verdict.replace(' ', '_')}" for verdict in VERDICTS}
"""Column of the number of images with each verdict."""
WELL_COLUMNS = ("plate", "well", "images", *COUNTS.values())
"""Columns of excluded_wells.csv."""


def verdicts(images: "pd.DataFrame", thresholds: Thresholds) -> "pd.Series":
    """Return one of VERDICTS for each image of the measurements that were read."""
    import pandas as pd

    scores = thresholds.highest_scores
    values = images[["measured", "certainty", "score"]].assign(
        highest_score=images["channel"].map(scores) if scores else thresholds.highest_score,
        lowest_certainty=thresholds.lowest_certainty,
    )
    cases = [values.eval(rule) for rule in RULES.values()]
    return pd.Series(np.select(cases, list(RULES), IN_FOCUS), index=images.index)


def excluded_wells(images: "pd.DataFrame", thresholds: Thresholds) -> "pd.DataFrame":
    """Find the wells with too many images that are not in focus.

    At least one image must have a well.

    Returns
    -------
    DataFrame
        WELL_COLUMNS: plate, well, and the numbers of images in total and of each verdict; sorted
        by plate and well.
    """
    import pandas as pd

    known = images[images["well"] != ""]
    judged = verdicts(known, thresholds).map(COUNTS)
    counts = pd.crosstab([known["plate"], known["well"]], judged)
    counts = counts.reindex(columns=list(WELL_COLUMNS[2:]), fill_value=0)
    counts["images"] = counts.sum(axis=1)
    excluded = counts.assign(largest_share=thresholds.largest_share).eval(EXCLUDED)
    return counts[excluded].rename_axis(columns=None).reset_index()
