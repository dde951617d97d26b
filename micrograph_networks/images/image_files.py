"""Read and write image files."""

import contextlib
import logging
from pathlib import Path
from typing import Iterator, List, Sequence, Union

import numpy as np
import tifffile

from micrograph_networks.errors import UserError, add_path_to_errors
from micrograph_networks.files.writing import atomic_write
from micrograph_networks.images.gray import to_gray

TIFF_SUFFIXES = (".tif", ".tiff")
"""Suffixes of TIFF files."""
IMAGE_SUFFIXES = (".png", *TIFF_SUFFIXES)
"""Suffixes of the images that are searched for in folders."""
# Hide what decoders log about damaged files: our error message says it.
for decoder in ("imagecodecs", "tifffile"):
    logging.getLogger(decoder).addHandler(logging.NullHandler())


def read_image(path: Union[str, Path]) -> np.ndarray:
    """Read a PNG of 8 or 16 bits or any TIFF, with its own bit depth.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    ndarray, (height, width) or (height, width, channels)
        A stack has more dimensions.

    Raises
    ------
    UserError
        The file is missing, truncated, or not an image.
    """
    import imagecodecs  # the CellProfiler application lacks it, and reads images itself

    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path} does not exist or is not a file: check the path.")
    with explain_read_errors(path):
        is_tiff = path.suffix.lower() in TIFF_SUFFIXES
        image = tifffile.imread(path) if is_tiff else imagecodecs.imread(path)
        if image is None:
            raise ValueError("it has no page")
    if image.size == 0:
        raise UserError(f"{path} has no pixels: export the image again.")
    return image


@contextlib.contextmanager
def explain_read_errors(path: Path, kind: str = "an image") -> Iterator[None]:
    """Turn every error of the block into a UserError: the file cannot be read.

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
        yield
    except Exception as error:  # decoders raise dozens of types on damaged files
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(
            f"{path} cannot be read as {kind} ({lines[0]}): "
            "it may be truncated or of an unsupported format; use PNG or TIFF."
        ) from error


def list_images(folders: Sequence[Path]) -> List[Path]:
    """Return the paths of the PNG and TIFF images in folders, sorted.

    Raises
    ------
    UserError
        A folder does not exist, or none contains an image.
    """
    for folder in folders:
        if not Path(folder).is_dir():
            raise UserError(f"{folder} is not a folder: check the path.")
    paths = sorted(
        path
        for folder in folders
        for path in Path(folder).iterdir()
        if path.suffix.lower() in IMAGE_SUFFIXES
    )
    if not paths:
        raise UserError(f"No PNG or TIFF image is in {', '.join(map(str, folders))}.")
    return paths


def read_gray(path: Union[str, Path]) -> np.ndarray:
    """Read an image and convert it to gray.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    ndarray, (height, width)

    Raises
    ------
    UserError
        The file cannot be read, or is a stack.
    """
    with add_path_to_errors(path):
        return to_gray(read_image(path))


def write_png(path: Path, picture: np.ndarray) -> None:
    """Write a picture as an 8-bit PNG.

    Parameters
    ----------
    path : Path
    picture : ndarray, (height, width) or (height, width, 3)
        Gray or RGB; floats from 0 to 1, or uint8.
    """
    import imagecodecs

    if picture.dtype != np.uint8:
        rounded = np.empty(picture.shape, dtype=np.uint8)
        # Row by row, because there may not be enough memory for copies of a large picture.
        for source, target in zip(picture, rounded):
            target[...] = np.rint(source * 255)
        picture = rounded
    with atomic_write(path) as temporary:
        imagecodecs.imwrite(temporary, np.ascontiguousarray(picture), codec="png")


def write_tiff(path: Path, image: np.ndarray) -> None:
    """Write an image as a TIFF with its own bit depth and lossless compression.

    Parameters
    ----------
    path : Path
    image : ndarray, (height, width)
    """
    with atomic_write(path) as temporary:
        tifffile.imwrite(temporary, image, compression="zlib")
