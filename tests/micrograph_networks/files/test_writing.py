import errno
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from micrograph_networks.errors import UserError
from micrograph_networks.files.writing import atomic_write, output_folder, run_lock


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_write(path) as temporary:
        temporary.write_text("half of the n")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_appears_at_the_end(tmp_path):
    path = tmp_path / "a.csv"
    with atomic_write(path) as temporary:
        temporary.write_text("new")
        assert temporary.suffix == ".csv"
        assert not path.exists()
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
    missing = tmp_path / "missing" / "a.csv"
    with pytest.raises(UserError, match="cannot be written"), atomic_write(missing) as path:
        path.write_text("")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be made"):
        output_folder(tmp_path / "file" / "folder")


def test_a_read_only_file_system_is_told_in_one_sentence(tmp_path, monkeypatch):
    def refuse(path, *content, **options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(Path, "write_text", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    told = "cannot be written .Read-only file system."
    with pytest.raises(UserError, match=told), atomic_write(tmp_path / "a.csv") as path:
        path.write_text("new")


def test_two_runs_write_a_file_without_meeting(tmp_path):
    path = tmp_path / "a.csv"
    script = (
        "import sys; from micrograph_networks.files.writing import atomic_write\n"
        "with atomic_write(sys.argv[1]) as path:\n"
        "    path.write_text('theirs'); print('here', flush=True); input()"
    )
    command = [sys.executable, "-c", script, path]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as other:
        other.stdout.readline()
        # The temporary file of a process that lives is left alone.
        output_folder(tmp_path)
        with atomic_write(path) as temporary:
            temporary.write_text("ours")
        assert path.read_text() == "ours"
        other.communicate(b"\n")
    assert other.returncode == 0
    assert path.read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_run_left_is_removed(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = tmp_path / f".a.{platform.node()}-{dead.pid}.part.csv"
    elsewhere = tmp_path / f".a.other-{dead.pid}.part.csv"
    for path in (left, elsewhere):
        path.write_text("half")
    assert output_folder(tmp_path) == tmp_path
    assert list(tmp_path.iterdir()) == [elsewhere]


def test_one_run_at_a_time_has_a_folder(tmp_path):
    script = (
        "import sys, pathlib; from micrograph_networks.files.writing import run_lock\n"
        "with run_lock(pathlib.Path(sys.argv[1])): print('here', flush=True); input()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", script, tmp_path], **pipes) as other:
        other.stdout.readline()
        with pytest.raises(UserError, match="Another run writes"), run_lock(tmp_path):
            pass
        other.kill()
    with run_lock(tmp_path):
        assert os.listdir(tmp_path)
    assert not os.listdir(tmp_path)


def test_temporary_files_of_other_programs_stay(tmp_path):
    theirs = tmp_path / f".a.{platform.node()}-x.part.csv"
    theirs.write_text("")
    output_folder(tmp_path)
    assert theirs.exists()
