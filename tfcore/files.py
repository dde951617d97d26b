"""Files that appear whole or not at all."""

import contextlib
import os
from pathlib import Path

from tfcore.errors import UserError


@contextlib.contextmanager
def whole_file(path):
    """Give a temporary path beside ``path`` to write to, and rename it at the end.

    If the block raises, or the process is killed, ``path`` is as it was before.

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
    temporary = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror or error}): "
            "check the folder's permissions and the free space."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def output_folder(path):
    """Make a folder for output if it does not exist yet.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Path

    Raises
    ------
    UserError
        It cannot be made.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"The folder {path} cannot be made ({error.strerror}).") from error
    return path
