"""Files that appear whole or not at all."""

import contextlib
import os
import platform
import re
from pathlib import Path
from typing import Iterator, Union

import psutil

from micrograph_networks.errors import UserError

LOCK = ".lock"
"""Name of the file that keeps a folder to one process."""


@contextlib.contextmanager
def atomic_write(path: Union[str, Path]) -> Iterator[Path]:
    """Give a temporary path beside ``path`` to write to, and rename it at the end.

    If the block raises, or the process is killed, ``path`` is as it was before. Processes that
    write the same file have temporary paths of their own: the last one to end wins.

    Parameters
    ----------
    path : str or Path

    Yields
    ------
    Path
        With the same suffix.

    Raises
    ------
    UserError
        The folder cannot be written to, or the disk is full.
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
        # On a read-only file system even to remove what is not there is an error.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def output_folder(path: Union[str, Path]) -> Path:
    """Make a folder for output if it does not exist yet, and clear it of what killed runs left.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Path

    Raises
    ------
    UserError
        It cannot be made or written to.
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
    """Remove temporary files whose process, on this machine, runs no more."""
    for path in folder.glob(f".*.{platform.node()}-*.part*"):
        found = re.search(r"-(\d+)\.part", path.name)
        if found is None:  # of another program
            continue
        process = int(found[1])
        # In a container a new run often gets the number of the one that was killed.
        if process == os.getpid() or not psutil.pid_exists(process):
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Keep a folder to this process while the block runs; the lock ends with the process.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    UserError
        Another process has it.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK)
    try:
        # Some file systems of clusters know no locks: there the user must take care.
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
        with contextlib.suppress(OSError):  # Windows does not let go of an open file
            os.unlink(lock.lock_file)
        lock.release()
