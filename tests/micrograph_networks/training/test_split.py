import numpy as np
import pytest

from micrograph_networks.errors import UserError
from micrograph_networks.training.split import (
    assign_parts,
    near_duplicate_groups,
    select_part,
    split_names,
)


def test_near_duplicates_and_known_groups_share_a_number(rng):
    images = [rng.random((40, 50)) for _ in range(5)]
    images.append(3 * images[0] + 0.2)
    groups = near_duplicate_groups(images, known=[[1, 2], [2, 4]])
    assert groups[0] == groups[5]
    assert groups[1] == groups[2] == groups[4]
    assert len(set(groups)) == 3


def test_whole_groups_are_assigned():
    groups = np.repeat(np.arange(20), 3)
    parts = assign_parts(groups, seed=2)
    assert all(len(set(parts[i : i + 3])) == 1 for i in range(0, 60, 3))
    assert [parts.count(part) for part in ("train", "validation", "test")] == [48, 6, 6]
    assert parts != assign_parts(groups, seed=3)


def test_equal_file_names_are_told_apart(tmp_path):
    paths = [tmp_path / name for name in ("1/a.tif", "2/a.tif", "2/x/../b.tif")]
    assert split_names(paths) == ["1/a.tif", "2/a.tif", "2/b.tif"]
    assert split_names(paths[:1]) == ["a.tif"]
    split = tmp_path / "split.csv"
    split.write_text("image,part\n1/a.tif,train\n2/a.tif,test\n2/b.tif,train\n")
    assert select_part(paths, split, "test") == [1]
    with pytest.raises(UserError, match="None of the images is a test image of .*split.csv"):
        select_part(paths[:1], split, "test")
    # The longest name decides.
    split.write_text("image,part\na.tif,test\n2/a.tif,train\n")
    assert select_part(paths, split, "test") == [0]


def test_a_wrong_split_is_named(tmp_path):
    (tmp_path / "other.csv").write_text("image\na.tif\n")
    with pytest.raises(UserError, match="has no column part: give the split.csv of a training"):
        select_part([], tmp_path / "other.csv", "test")
    (tmp_path / "a.csv").write_text("image,part\na.tif,train\n")
    with pytest.raises(UserError, match="contains no test image"):
        select_part([], tmp_path / "a.csv", "test")
