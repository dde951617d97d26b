import numpy as np
import pandas as pd
import pytest

from focusqual.report.options import Thresholds
from focusqual.report.verdicts import WELL_COLUMNS, excluded_wells, verdicts


@pytest.fixture
def images():
    table = pd.DataFrame(
        {
            "plate": "",
            "channel": ["DNA"] * 4 + ["GFP"] * 3,
            "well": ["A01", "A01", "A02", "A02", "B01", "B01", ""],
            "score": [1, 2, 2, 5, np.nan, 0, 9],
            "certainty": [0.1, 0.5, 0.5, 0.05, np.nan, 0.5, 0.5],
        }
    )
    return table.assign(measured=table["score"].notna())


def test_verdicts(images):
    assert verdicts(images, Thresholds()).tolist() == [
        *("in focus", "out of focus", "out of focus"),
        *("blank", "not measured", "in focus", "out of focus"),
    ]


def test_each_channel_may_have_its_own_highest_score(images):
    thresholds = Thresholds(highest_score=0, highest_scores={"DNA": 1.5, "GFP": 9})
    assert verdicts(images, thresholds).tolist() == [
        *("in focus", "out of focus", "out of focus"),
        *("blank", "not measured", "in focus", "in focus"),
    ]


@pytest.mark.parametrize("share, wells", [(0.5, ["A02"]), (0.49, ["A01", "A02", "B01"]), (1, [])])
def test_excluded_wells(images, share, wells):
    excluded = excluded_wells(images, Thresholds(largest_share=share))
    assert [row[WELL_COLUMNS.index("well")] for row in excluded] == wells
    if share == 0.5:
        assert excluded == [("", "A02", 2, 0, 1, 1, 0)]
