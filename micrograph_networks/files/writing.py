"""Atomic writing of files, output folders, and locks of folders."""

import contextlib
import os
import platform
import re
from pathlib import Path
from typing import Iterator, Union

import psutil

from micrograph_networks.errors import UserError

LOCK = ".lock"
"""Name of the file that locks a folder."""


@contextlib.contextmanager
def atomic_write(path: Union[str, Path]) -> Iterator[Path]:
    """Write a file completely or not at all: yield a temporary path, and rename it at the end.

    If the block raises or the process is killed, ``path`` stays as it was. Processes that write
    the same file have different temporary paths; the last one to finish wins.

    Parameters
    ----------
    path : str or Path

    Yields
    ------
    Path
        Path in the same folder, with the same suffix.

    Raises
    ------
    UserError
        The folder is not writable, or the disk is full.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{platform.node()}-{os.getpid()}.part{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror or error}): "
            "check the folder's permissions and the free space."
        ) from error
    finally:
        # On a read-only file system, removing a file that does not exist is an error, too.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def output_folder(path: Union[str, Path]) -> Path:
    """Make an output folder if it does not exist, and remove temporary files of killed processes.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    UserError
        The folder cannot be made, or is not writable.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
    except OSError as error:
        raise UserError(
            f"The folder {path} cannot be made or written to ({error.strerror}): choose another."
        ) from error
    return path


def _remove_leftovers(folder: Path) -> None:
    """Remove temporary files of processes of this computer that no longer run."""
    for path in folder.glob(f".*.{platform.node()}-*.part*"):
        found = re.search(r"-(\d+)\.part", path.name)
        if found is None:  # a file of another program
            continue
        process = int(found[1])
        # In containers, a new process often has the number of the one that was killed.
        if process == os.getpid() or not psutil.pid_exists(process):
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Lock a folder, so that only one process writes to it. The lock ends with the process.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    UserError
        Another process has locked the folder.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK)
    try:
        # Some file systems of clusters have no locks. There the user has to take care.
        with contextlib.suppress(NotImplementedError):
            lock.acquire(timeout=0)
    except Timeout:
        raise UserError(
            f"Another run writes to the folder {folder}: wait for its end or choose another folder."
        ) from None
    except OSError as error:
        raise UserError(
            f"The folder {folder} cannot be written to ({error.strerror}): choose another."
        ) from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows does not delete open files
            os.unlink(lock.lock_file)
        lock.release()
