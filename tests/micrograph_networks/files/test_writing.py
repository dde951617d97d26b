import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from micrograph_networks.errors import UserError
from micrograph_networks.files import writing
from micrograph_networks.files.writing import LOCK, atomic_write, output_folder, run_lock


def run(script, path):
    """Start a process that runs a script and prints a line when it is ready."""
    command = [sys.executable, "-c", script, path]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.readline()
    return process


def test_file_is_written_completely_or_not_at_all(tmp_path):
    path = tmp_path / "a.csv"
    with atomic_write(path) as temporary:
        temporary.write_text("new")
        assert temporary.suffix == ".csv"
        assert not path.exists()
    with pytest.raises(RuntimeError), atomic_write(path) as temporary:
        temporary.write_text("half of the n")
        raise RuntimeError
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_folder_that_is_not_writable_is_named(tmp_path):
    missing = tmp_path / "missing" / "a.csv"
    with pytest.raises(UserError, match="cannot be written"), atomic_write(missing) as path:
        path.write_text("")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be made"):
        output_folder(tmp_path / "file" / "folder")


def test_read_only_file_system_is_named(tmp_path, monkeypatch):
    def refuse(path, *content, **options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(Path, "write_text", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    problem = "cannot be written .Read-only file system."
    with pytest.raises(UserError, match=problem), atomic_write(tmp_path / "a.csv") as path:
        path.write_text("new")


def test_two_processes_write_the_same_file(tmp_path):
    path = tmp_path / "a.csv"
    script = (
        "import sys; from micrograph_networks.files.writing import atomic_write\n"
        "with atomic_write(sys.argv[1]) as path:\n"
        "    path.write_text('theirs'); print('here', flush=True); input()"
    )
    with run(script, path) as other:
        output_folder(tmp_path)  # keeps the temporary file of the running process
        with atomic_write(path) as temporary:
            temporary.write_text("ours")
        assert path.read_text() == "ours"
        other.communicate(b"\n")
    assert path.read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [path]


def test_temporary_files_of_killed_processes_are_removed(tmp_path, monkeypatch):
    with run("", tmp_path) as dead:
        dead.wait()
    monkeypatch.setattr(writing, "RUN", "0" * 12)
    space, other = writing.SPACE, "f" * 12
    names = {
        f".{space}-{dead.pid}-{other}-0.part.csv": False,
        f".{space}-{os.getpid()}-{other}-0.part.csv": False,  # had the same id and was killed
        f".{space}-{os.getpid()}-{writing.RUN}-0.part.csv": True,
        f".{space}-{os.getppid()}-{other}-0.part.csv": True,
        f".{other}-{dead.pid}-{other}-0.part.csv": True,  # may run in another container
        f".{other}-{dead.pid}-{other}-1.part.csv": False,  # the same a week later
        f".{space}-x.part.csv": True,  # of another program
    }
    for name in names:
        (tmp_path / name).write_text("half")
    week = time.time() - writing.OLD - 1
    os.utime(tmp_path / f".{other}-{dead.pid}-{other}-1.part.csv", (week, week))
    assert output_folder(tmp_path) == tmp_path
    assert {path.name for path in tmp_path.iterdir()} == {n for n, kept in names.items() if kept}


def test_containers_have_process_spaces_of_their_own(monkeypatch):
    assert writing._process_space() == writing.SPACE
    monkeypatch.setattr(os, "readlink", lambda path: "pid:[1]")
    assert writing._process_space() != writing.SPACE


def test_names_of_any_allowed_length_are_written(tmp_path):
    path = tmp_path / ("é" * 125 + ".csv")
    with atomic_write(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"
    longer = path.with_name("a" * 252 + ".csv")
    with pytest.raises(UserError, match="give the image a shorter name"), atomic_write(longer) as p:
        p.write_text("new")


def test_only_one_process_locks_a_folder(tmp_path):
    script = (
        "import sys, pathlib; from micrograph_networks.files.writing import run_lock\n"
        "with run_lock(pathlib.Path(sys.argv[1])): print('here', flush=True); input()"
    )
    with run(script, tmp_path) as other:
        with pytest.raises(UserError, match="Another run writes"), run_lock(tmp_path):
            pass
        other.kill()
    with run_lock(tmp_path):
        lock = (tmp_path / LOCK).stat().st_ino
    # Another process may wait for this file; a second one would be another lock.
    assert (tmp_path / LOCK).stat().st_ino == lock
