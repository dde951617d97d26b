"""Reading of whole files into memory."""

import stat
from pathlib import Path
from typing import Union

from micrograph_networks.errors import UserError


def read_file(path: Union[str, Path], largest: int) -> bytes:
    """Read a file completely, so that all checks and uses see the same bytes.

    Parameters
    ----------
    path : str or Path
    largest : int
        Largest allowed size in bytes.

    Returns
    -------
    bytes

    Raises
    ------
    UserError
        The path is not a regular file (a named pipe would never end), cannot be read, or the file
        is too large.
    """
    path = Path(path)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise UserError(f"{path} is not a file: check the path.")
        if status.st_size > largest:
            raise UserError(
                f"{path} has {status.st_size} bytes, and at most {largest} are allowed: "
                "choose another file."
            )
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): check the path.") from error
