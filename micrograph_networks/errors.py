"""Errors that a user can correct."""

import contextlib
from typing import Iterator


class UserError(Exception):
    """One sentence that names the wrong file or setting and says what to do.

    Command lines print it and exit with 2; CellProfiler modules show it.
    """


@contextlib.contextmanager
def explain_memory_errors() -> Iterator[None]:
    """Turn a MemoryError of the block into a UserError: the image is too large for the memory.

    Raises
    ------
    UserError
        The block raised MemoryError.
    """
    try:
        yield
    except MemoryError as error:
        raise UserError("The memory does not suffice for this image: cut it into parts.") from error


@contextlib.contextmanager
def add_path_to_errors(path: object) -> Iterator[None]:
    """Put a path in front of every UserError of the block that does not mention it.

    Parameters
    ----------
    path : str, Path or Plane

    Raises
    ------
    UserError
        The block raised one.
    """
    try:
        yield
    except UserError as error:
        known = str(path) in str(error)
        raise UserError(str(error) if known else f"{path}: {error}") from error
