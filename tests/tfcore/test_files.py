import pytest

from tfcore.errors import UserError
from tfcore.files import output_folder, whole_file


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("old")
    with pytest.raises(RuntimeError), whole_file(path) as temporary:
        temporary.write_text("half of the n")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_appears_at_the_end(tmp_path):
    path = tmp_path / "a.csv"
    with whole_file(path) as temporary:
        temporary.write_text("new")
        assert temporary.suffix == ".csv"
        assert not path.exists()
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
    with pytest.raises(UserError, match="cannot be written"), whole_file("/proc/a.csv") as path:
        path.write_text("")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be made"):
        output_folder(tmp_path / "file" / "folder")
