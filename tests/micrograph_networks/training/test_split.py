import numpy as np
import pytest

from micrograph_networks.errors import UserError
from micrograph_networks.training.split import assign_parts, near_duplicate_groups, read_part


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


def test_a_wrong_split_is_named(tmp_path):
    (tmp_path / "other.csv").write_text("image\na.tif\n")
    with pytest.raises(UserError, match="has no column part: give the split.csv of a training"):
        read_part(tmp_path / "other.csv", "test")
    (tmp_path / "a.csv").write_text("image,part\na.tif,train\n")
    with pytest.raises(UserError, match="contains no test image"):
        read_part(tmp_path / "a.csv", "test")
