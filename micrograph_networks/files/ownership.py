"""Marks by which a command recognizes the files that it wrote.

Pictures, pages and packages have a mark in their metadata, which names the command. Tables have
none: they are a command's own if a file with its mark is beside them.
"""

import contextlib
import itertools
import os
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Iterable, Iterator, Optional, Sequence, Set

from micrograph_networks.errors import UserError

PROGRAM = "cellprofiler-focus-darkfield"
"""First word of every mark."""
RESULT, IMAGE = f"{PROGRAM} result", f"{PROGRAM} image"
"""Starts of the marks of pictures for people, and of images that other commands may read."""
MARKED = (".png", ".tif", ".html", ".zip")
"""Suffixes of the files that have marks."""
SEARCHED = 2**17
"""Number of bytes in which a mark is searched. In a large TIFF, other fields come before it."""


@dataclass
class Writer:
    """A command that runs and writes files.

    Attributes
    ----------
    name : str
        Program and command, such as "focusqual predict".
    owns_folder : bool
        True if no other command uses the output folder, so that any file in it may be replaced.
    replaceable : set of Path
        Files that it may write.
    written : set of Path
        Files that it has written.
    earlier : dict of Path to int
        Pictures of an earlier run, and when each was written, in nanoseconds.
    """

    name: str
    owns_folder: bool
    replaceable: Set[Path] = field(default_factory=set)
    written: Set[Path] = field(default_factory=set)
    earlier: Dict[Path, int] = field(default_factory=dict)

    def owns(self, path: Path) -> bool:
        """Return True if the file has the mark of the command."""
        return path.suffix in MARKED and f"({self.name})".encode() in _searched(path)

    def owns_table(self, folders: Iterable[Path]) -> bool:
        """Return True if one of the folders has a file with the mark of the command."""
        return any(self.owns(path) for folder in folders for path in folder.glob("*"))


_running: ContextVar[Optional[Writer]] = ContextVar("running", default=None)


@contextlib.contextmanager
def writing_as(name: str, owns_folder: bool = False) -> Iterator[None]:
    """Mark all files that the block writes, and let it replace only files of the same command.

    Parameters
    ----------
    name : str
    owns_folder : bool
        See :class:`Writer`.
    """
    token = _running.set(Writer(name, owns_folder))
    try:
        yield
    finally:
        _running.reset(token)


def mark(kind: str = RESULT) -> Optional[str]:
    """Return the mark of the running command, None if there is no command.

    Parameters
    ----------
    kind : str
        RESULT or IMAGE.
    """
    writer = _running.get()
    return f"{kind} ({writer.name})" if writer else None


def is_result(path: Path) -> bool:
    """Return True if a file is a picture for people that a command wrote."""
    return RESULT.encode() in _searched(path)


def is_own(path: Path) -> bool:
    """Return True if the running command wrote a picture, in this run or an earlier one."""
    writer = _running.get()
    return writer is not None and writer.owns(path)


def check_replaceable(paths: Sequence[Path]) -> None:
    """Check that the running command may write some files, which are together the output of a run.

    Parameters
    ----------
    paths : sequence of Path

    Raises
    ------
    UserError
        A file exists that the command did not write.
    """
    writer = _running.get()
    if writer is None or writer.owns_folder or writer.replaceable.issuperset(paths):
        return
    folders = {path.parent for path in paths}
    for path in filter(os.path.lexists, paths):
        if not (writer.owns(path) or path.suffix not in MARKED and writer.owns_table(folders)):
            raise UserError(
                f"{path} exists and was not written by '{writer.name}': rename it, or choose "
                "another output folder."
            )
    writer.replaceable.update(paths)


def allow_replacing(path: Path) -> None:
    """Let the running command replace a file that it did not write."""
    writer = _running.get()
    if writer:
        writer.replaceable.add(path)


def add_written(path: Path) -> None:
    """Note that the running command has written a file."""
    writer = _running.get()
    if writer:
        writer.written.add(path)


def find_earlier(folders: Iterable[Path], patterns: Sequence[str]) -> None:
    """Find the pictures of an earlier run of the running command, for :func:`remove_earlier`.

    Parameters
    ----------
    folders : iterable of Path
    patterns : sequence of str
        Wildcard patterns of the names of its pictures.
    """
    writer = _running.get()
    for folder, pattern in itertools.product(folders, patterns):
        for path in folder.glob(pattern):
            if writer and writer.owns(path):
                writer.earlier[path] = path.stat().st_mtime_ns


def remove_earlier() -> None:
    """Remove the pictures of an earlier run that neither this run nor another one wrote again."""
    writer = _running.get()
    if writer is None:
        return
    for path, written in writer.earlier.items():
        with contextlib.suppress(FileNotFoundError):
            if path not in writer.written and path.stat().st_mtime_ns == written:
                path.unlink()


def _searched(path: Path) -> bytes:
    """Return the start of a file, the end of a ZIP archive; nothing if it cannot be read."""
    if not os.path.isfile(path):  # a named pipe would never end
        return b""
    with contextlib.suppress(OSError), open(path, "rb") as file:
        if path.suffix == ".zip":
            file.seek(max(file.seek(0, os.SEEK_END) - SEARCHED, 0))
        return file.read(SEARCHED)
    return b""
