"""Limits to what image files may claim, and one sentence for files that cannot be read.

A small file can claim to be a huge image. Claims are checked before any memory is taken for them.
"""

import contextlib
import math
from pathlib import Path
from typing import Iterator, Sequence

from micrograph_networks.errors import UserError, add_path_to_errors

MOST_PLANES = 500_000
"""Maximum number of images in a file or plate."""
MOST_PIXELS = 2**30
"""Maximum number of pixels of an image, such as 32768x32768."""
SMALL = 2**28
"""Size in bytes up to which an image need not be compared with its file."""
HIGHEST_COMPRESSION = 4096
"""Maximum ratio of the size of an image to the size of its file. Deflate reaches 1032."""
LARGEST_METADATA = 2**26
"""Maximum size of an XML or a metadata file in bytes."""
LONGEST_CAUSE = 200
"""Maximum length of a decoder's message in a sentence."""


def check_size(shape: Sequence[int], itemsize: int, stored: int) -> None:
    """Check that an image has pixels, is not too large, and can be in its file.

    Parameters
    ----------
    shape : sequence of int
        Claimed shape: height and width first.
    itemsize : int
        Bytes per value.
    stored : int
        Bytes of the file.

    Raises
    ------
    UserError
        One of them is not so.
    """
    height, width = shape[:2]
    size = math.prod(shape) * itemsize
    if size <= 0:
        raise UserError("The image has no pixels: export it again.")
    if height * width > MOST_PIXELS:
        raise UserError(
            f"The image claims {width}x{height} pixels, more than {MOST_PIXELS}: export a part."
        )
    if size > SMALL and size > HIGHEST_COMPRESSION * stored:
        raise UserError(
            f"The image claims {width}x{height} pixels in {stored} bytes: it may be truncated; "
            "copy it again."
        )


def check_planes(count: int) -> None:
    """Check the number of images in a file or plate.

    Raises
    ------
    UserError
        There are too many.
    """
    if count > MOST_PLANES:
        raise UserError(f"The file claims {count} images, more than {MOST_PLANES}: export a part.")


@contextlib.contextmanager
def explain_read_errors(path: Path, kind: str = "an image") -> Iterator[None]:
    """Turn every error of the block into a UserError with the path of the file.

    Parameters
    ----------
    path : Path
    kind : str
        What the file should be, for the message.

    Raises
    ------
    UserError
        The block raised any exception.
    """
    try:
        with add_path_to_errors(path):
            yield
    except UserError:
        raise
    except Exception as error:  # decoders raise dozens of types on damaged files
        if not path.exists():
            raise UserError(f"{path} does not exist: check the path.") from error
        lines = str(error).strip().splitlines() or [type(error).__name__]
        cause = lines[0][:LONGEST_CAUSE]
        if isinstance(error, (AttributeError, LookupError, TypeError)):
            cause = f"its metadata are damaged: {cause}"
        raise UserError(
            f"{path} cannot be read as {kind} ({cause}): "
            "it may be truncated or of an unsupported format; use PNG or TIFF."
        ) from error
