"""Mistakes that a user can mend."""

import contextlib
from typing import Iterator


class UserError(Exception):
    """One sentence that names the file or setting at fault and says what to do.

    Command lines print it and exit with 2; CellProfiler modules show it as it is.
    """


@contextlib.contextmanager
def enough_memory() -> Iterator[None]:
    """Say in a sentence where the memory does not suffice for an image.

    Raises
    ------
    UserError
        Where the block raises MemoryError.
    """
    try:
        yield
    except MemoryError as error:
        raise UserError("The memory does not suffice for this image: cut it into parts.") from error


@contextlib.contextmanager
def naming(path: object) -> Iterator[None]:
    """Put a file's path before a complaint of the block that lacks it.

    Parameters
    ----------
    path : str or Path, or an object that shows itself by a path

    Raises
    ------
    UserError
        Where the block raises one.
    """
    try:
        yield
    except UserError as error:
        known = str(path) in str(error)
        raise UserError(str(error) if known else f"{path}: {error}") from error
