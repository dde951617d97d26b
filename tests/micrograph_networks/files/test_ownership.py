import os
import zipfile

import pytest

from micrograph_networks.errors import UserError
from micrograph_networks.files.ownership import (
    IMAGE,
    check_replaceable,
    find_earlier,
    is_own,
    is_result,
    mark,
    remove_earlier,
    writing_as,
)
from micrograph_networks.files.writing import atomic_write


def write(path, kind=None):
    """Write a file with the mark of the running command, or without a mark."""
    path.parent.mkdir(exist_ok=True)
    with atomic_write(path) as temporary:
        temporary.write_text(f"a{mark(kind) if kind else mark() or ''}z")
    return path


def test_a_command_replaces_only_its_own_pictures(tmp_path):
    mine, other = write(tmp_path / "a.png"), tmp_path / "b.png"
    for _ in range(2):
        with writing_as("focusqual evaluate-stacks"):
            write(other)
    for path, program in ((mine, "focusqual evaluate-stacks"), (other, "focusqual evaluate")):
        with writing_as(program), pytest.raises(UserError, match=f"{path} exists and was not"):
            write(path)
    with writing_as("focusqual evaluate", owns_folder=True):
        write(other)
    assert mine.read_text() == "az"


@pytest.mark.parametrize("make", ["mkdir", "symlink_to"])
def test_links_and_folders_are_not_replaced(tmp_path, make):
    getattr(tmp_path / "a.csv", make)(*["missing"] * (make == "symlink_to"))
    with writing_as("focusqual predict"), pytest.raises(UserError, match="exists and was not"):
        check_replaceable([tmp_path / "a.csv"])


def test_tables_belong_to_the_pictures_beside_them(tmp_path):
    table, picture = write(tmp_path / "a.csv"), tmp_path / "plate1" / "a.png"
    with writing_as("focusqual predict"):
        with pytest.raises(UserError, match=r"a.csv exists and was not written by 'focusqual p"):
            check_replaceable([table, picture])
        write(picture)
    with writing_as("focusqual predict"):
        check_replaceable([table, picture])
        write(table)
    with writing_as("focusqual evaluate"), pytest.raises(UserError, match="exists and was not"):
        check_replaceable([table, picture])


def test_results_are_told_from_images_for_other_commands(tmp_path):
    with writing_as("focusqual degrade"):
        image, result = write(tmp_path / "a.tif", IMAGE), write(tmp_path / "b.png")
        assert is_own(image) and is_own(result)
    assert is_result(result)
    assert not is_result(image) and not is_own(image)
    assert not is_result(write(tmp_path / "c.png"))
    assert not is_result(tmp_path / "missing.png")


def test_pictures_of_an_earlier_run_are_removed(tmp_path):
    write(tmp_path / "user_focus.png")
    with writing_as("focusqual evaluate"):
        write(tmp_path / "other_focus.png")
    names = ("old_focus.png", "new_focus.png", "old_focus_2.png", "again_focus.png")
    with writing_as("focusqual predict"):
        for name in names:
            write(tmp_path / name)
    with writing_as("focusqual predict"):
        find_earlier([tmp_path], ["*_focus.png"])
        write(tmp_path / "new_focus.png")
        with writing_as("focusqual predict"):  # another run at the same time
            os.utime(write(tmp_path / "again_focus.png"), (1, 1))
            write(tmp_path / "meanwhile_focus.png")
        remove_earlier()
    left = {path.name for path in tmp_path.iterdir()}
    others = {"user_focus.png", "other_focus.png", "meanwhile_focus.png"}
    assert left == {*others, *names} - {"old_focus.png"}


def test_mark_of_a_package_is_at_its_end(tmp_path):
    path = tmp_path / "a.zip"
    with writing_as("focusqual export"):
        with zipfile.ZipFile(path, "w") as package:
            package.writestr("a", os.urandom(200_000))
        assert not is_own(path)
        with zipfile.ZipFile(path, "a") as package:
            package.comment = mark().encode()
        assert is_own(path)
    assert zipfile.ZipFile(path).testzip() is None
