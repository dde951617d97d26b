"""Cutoffs lose as few further good images as they promise."""

import numpy as np
import pandas as pd
import pytest
from support import measure

from focusqual.report.cutoffs import (
    conformal_cutoff,
    find_cutoffs,
    read_cutoffs,
    read_shown,
    write_cutoffs,
)
from micrograph_networks.errors import UserError
from micrograph_networks.images.image_files import read_gray

LOSE = 0.02
CELLPROFILER = "ImageNumber,FileName_{},{}\n".format(
    "DNA",
    ",".join(
        f"ImageFocus_{kind}_{name}"
        for name in ("DNA", "GFP")
        for kind in ("Score", "ExpectedLevel", "Certainty")
    ),
)


def test_the_kth_smallest_value_is_the_cutoff():
    values = np.arange(100.0)
    assert conformal_cutoff(values, 0.02) == 98  # k = ceil(101 * 0.98) = 99
    assert conformal_cutoff(values, 0.5) == 50
    assert conformal_cutoff(np.arange(49), 0.02) == 48
    with pytest.raises(UserError, match="48 good images are too few .* at least 49"):
        conformal_cutoff(np.arange(48), 0.02)
    with pytest.raises(UserError, match="at least 99"):
        conformal_cutoff(np.arange(98), 0.01)


@pytest.mark.parametrize("whole", [False, True])
def test_further_good_images_are_lost_as_promised(rng, whole):
    """200 draws of 50 to 500 good images, each judged by 10,000 further ones."""

    def draw(*shape):
        levels = rng.gamma(2, 0.4, shape)
        return np.rint(levels) if whole else levels

    expected, lost = [], []
    for count in rng.integers(50, 501, 200):
        cutoff = conformal_cutoff(draw(count), LOSE)
        lost.append(np.mean(draw(10_000) > cutoff))
        expected.append(np.floor((count + 1) * LOSE) / (count + 1))
    error = np.std(lost) / np.sqrt(len(lost))
    assert np.mean(lost) <= LOSE + 3 * error
    if whole:
        assert np.mean(lost) < np.mean(expected)
    else:
        assert abs(np.mean(lost) - np.mean(expected)) < 3 * error


def test_halves_of_real_images_lose_as_promised(data_folder):
    paths = sorted((data_folder / "nuclei_in_focus").iterdir())[::6]
    summaries = [measure(read_gray(path)).summary for path in paths]
    for name in ("score", "expected_level"):
        values = np.array([summary[name] for summary in summaries])
        lost = []
        for seed in range(200):
            first, second = np.array_split(np.random.default_rng(seed).permutation(values), 2)
            lost.append(np.mean(second > conformal_cutoff(first, 0.1)))
        # All halves are of the same images, so that their losses are not independent.
        assert np.mean(lost) <= 0.1 + 0.01


@pytest.fixture
def images():
    levels = np.arange(60) / 30
    dna = pd.DataFrame({"channel": "DNA", "expected_level": levels, "score": np.rint(levels)})
    return pd.concat([dna, dna.assign(channel="GFP", expected_level=levels + 3)])


def test_each_channel_has_cutoffs(images, tmp_path):
    bad = pd.DataFrame({"channel": "GFP", "expected_level": [4.9, 5.0], "score": [3, 2]})
    dna, gfp = cutoffs = find_cutoffs(images, LOSE, bad)
    assert dna == ("DNA", 2.0, 59 / 30, 60, LOSE, "", "", "")
    assert gfp == ("GFP", 2.0, 59 / 30 + 3, 60, LOSE, 2, 0.5, 0.5)
    write_cutoffs(tmp_path / "cutoffs.csv", cutoffs)
    assert read_cutoffs(tmp_path / "cutoffs.csv", ["GFP", "DNA"]) == {"GFP": 2.0, "DNA": 2.0}
    # No digit is lost: a cutoff that is rounded down rejects the image that it comes from.
    rows = pd.read_csv(tmp_path / "cutoffs.csv", float_precision="round_trip")
    assert rows["highest_expected_level"].tolist() == [59 / 30, 59 / 30 + 3]


def test_cutoffs_without_a_channel_hold_for_all(images, tmp_path):
    write_cutoffs(tmp_path / "cutoffs.csv", find_cutoffs(images.assign(channel=""), LOSE))
    assert read_cutoffs(tmp_path / "cutoffs.csv", ["", "a"]) == {"": 2.0, "a": 2.0}


def test_two_cutoffs_for_a_channel_are_refused(tmp_path):
    (tmp_path / "cutoffs.csv").write_text("channel,highest_score\nDNA,1\nDNA,2\n")
    with pytest.raises(UserError, match="cutoffs.csv: It has two cutoffs for the channel 'DNA'"):
        read_cutoffs(tmp_path / "cutoffs.csv", ["DNA"])


def test_cellprofiler_names_channels_and_blank_images_are_left_out(tmp_path):
    table = tmp_path / "Image.csv"
    rows = ["1,a.tif,0,0.1,0.9,3,3.2,0.8\n", "2,b.tif,1,0.9,0.05,2,2.4,0.7\n", "3,c.tif,,,,1,1,1\n"]
    table.write_text(CELLPROFILER + "".join(rows))
    shown, others = read_shown(table)
    assert shown["channel"].tolist() == ["DNA", "GFP", "GFP", "GFP"]
    assert shown["expected_level"].tolist() == [0.1, 3.2, 2.4, 1]
    assert others == 2
