"""Atomic writing of files, output folders, and locks of folders."""

import contextlib
import errno
import itertools
import os
import platform
import re
import time
import uuid
from pathlib import Path
from typing import Iterator, Union

import psutil

from micrograph_networks.errors import UserError
from micrograph_networks.files.ownership import add_written, check_replaceable

LOCK = ".lock"
"""Name of the file that locks a folder."""
TEMPORARY = re.compile(r"\.([0-9a-f]{12})-(\d+)-([0-9a-f]{12})-\d+\.part.*")
"""Names of temporary files: see :func:`_temporary`."""
OLD = 7 * 24 * 3600
"""Age in seconds at which a temporary file of another computer or container is a leftover."""


def _process_space() -> str:
    """Return 12 digits that name this computer, or container, in which process ids are unique."""
    name = platform.node()
    with contextlib.suppress(OSError):  # only Linux has both files
        name = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8")
        name += os.readlink("/proc/self/ns/pid")
    return uuid.uuid5(uuid.NAMESPACE_OID, name).hex[:12]


SPACE = _process_space()
RUN = uuid.uuid4().hex[:12]
"""Random digits that tell this process from earlier ones with the same id."""
NUMBERS = itertools.count()


def _temporary(path: Path) -> Path:
    """Return a new path in the same folder, with the same suffix, and short enough for all files.

    Its name has the process space, the id and the random digits of this process, and a number.
    """
    name = f".{SPACE}-{os.getpid()}-{RUN}-{next(NUMBERS)}.part"
    return path.with_name(name + path.suffix)


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
        The folder is not writable, the disk is full, or the file belongs to someone else, see
        :func:`micrograph_networks.files.ownership.check_replaceable`.
    """
    path = Path(path)
    check_replaceable([path])
    temporary = _temporary(path)
    try:
        yield temporary
        os.replace(temporary, path)
        add_written(path)
    except OSError as error:
        advice = "check the folder's permissions and the free space."
        if error.errno == errno.ENAMETOOLONG:
            advice = "give the image a shorter name."
        raise UserError(
            f"{path} cannot be written ({error.strerror or error}): {advice}"
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
    """Remove temporary files of processes that no longer run."""
    for path in folder.glob(".*.part*"):
        match = TEMPORARY.fullmatch(path.name)
        with contextlib.suppress(FileNotFoundError):  # another process removed it
            if match and _is_leftover(path, match[1], int(match[2]), match[3]):
                path.unlink()


def _is_leftover(path: Path, space: str, process: int, run: str) -> bool:
    if space != SPACE:  # its processes are not visible here
        return path.stat().st_mtime < time.time() - OLD
    if process == os.getpid():
        return run != RUN
    return not psutil.pid_exists(process)


@contextlib.contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Lock a folder, so that only one process writes to it. The lock ends with the process.

    The lock file stays: if it were deleted, two processes could lock the old and a new file.

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
        lock.release()
