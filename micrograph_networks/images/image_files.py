"""Read microscope images as arrays."""

import contextlib
import logging
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Mapping, Sequence, Tuple, Union

import numpy as np
import tifffile

from micrograph_networks.errors import UserError, naming
from micrograph_networks.files.writing import atomic_write
from micrograph_networks.images.gray import to_gray

TIFF_SUFFIXES = (".tif", ".tiff")
"""Of TIFF files."""
IMAGE_SUFFIXES = (".png", *TIFF_SUFFIXES)
"""Of the files that folders are searched for."""
Place = Mapping[str, object]
"""Where in a file an image lies, such as its channel and its plane."""
Placed = Tuple[Place, Callable[[], np.ndarray]]
"""An image of several in a file, and what reads it: (height, width, channels) or without them."""
# Remarks of the decoders on damaged files would stand beside our one sentence.
for decoder in ("imagecodecs", "tifffile"):
    logging.getLogger(decoder).addHandler(logging.NullHandler())


def read_image(path: Union[str, Path]) -> np.ndarray:
    """Read an 8- to 16-bit PNG or any TIFF, LZW included, with its own bit depth.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    ndarray, (height, width) or (height, width, channels) or, for a stack, more dimensions

    Raises
    ------
    UserError
        The file is missing, truncated, or no image.
    """
    import imagecodecs  # CellProfiler reads images by itself, and comes without it

    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path} does not exist or is not a file: check the path.")
    with readable(path):
        is_tiff = path.suffix.lower() in TIFF_SUFFIXES
        image = tifffile.imread(path) if is_tiff else imagecodecs.imread(path)
        if image is None:
            raise ValueError("it holds no page")
    if image.size == 0:
        raise UserError(f"{path} holds no pixels: export the image again.")
    return image


@contextlib.contextmanager
def readable(path: Path, kind: str = "an image") -> Iterator[None]:
    """Say in a sentence that a file cannot be read.

    Parameters
    ----------
    path : Path
    kind : str
        What it ought to be, for the sentence.

    Raises
    ------
    UserError
        Where the block raises anything.
    """
    try:
        yield
    except Exception as error:  # decoders raise dozens of types on damaged files
        raise UserError(
            f"{path} cannot be read as {kind} ({_first_line(error)}): "
            "it may be truncated or of an unsupported format; use PNG or TIFF."
        ) from error


def named_channel(place: Place, names: Sequence[str]) -> Dict[str, object]:
    """The name of the channel of an image, where there is one.

    Parameters
    ----------
    place : Place
        With the number of the channel, if it has one.
    names : list of str
        Of the channels; those that are not known are missing or empty.

    Returns
    -------
    dict
        Nothing, or ``channel_name``.
    """
    for number, name in enumerate(names):
        if name and number == place.get("channel", 0):
            return {"channel_name": name}
    return {}


def list_images(folders: Sequence[Path]) -> List[Path]:
    """Paths of the PNG and TIFF images in folders, sorted.

    Raises
    ------
    UserError
        A folder does not exist or there is no image.
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
        raise UserError(f"No PNG or TIFF image lies in {', '.join(map(str, folders))}.")
    return paths


def read_gray(path: Union[str, Path]) -> np.ndarray:
    """Read an image as :func:`read_image` does and bring it to gray.

    See :func:`micrograph_networks.images.gray.to_gray`.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    ndarray, (height, width)

    Raises
    ------
    UserError
        The file cannot be read, or holds a stack.
    """
    with naming(path):
        return to_gray(read_image(path))


def write_png(path: Path, picture: np.ndarray) -> None:
    """Write a picture as an 8-bit PNG.

    Parameters
    ----------
    path : Path
    picture : ndarray, (height, width) or (height, width, 3)
        Gray or RGB; floats of 0 to 1, or uint8, which are written as they are.
    """
    import imagecodecs

    if picture.dtype != np.uint8:
        rounded = np.empty(picture.shape, dtype=np.uint8)
        # Row by row: a large picture leaves no memory for copies.
        for source, target in zip(picture, rounded):
            target[...] = np.rint(source * 255)
        picture = rounded
    with atomic_write(path) as temporary:
        imagecodecs.imwrite(temporary, np.ascontiguousarray(picture), codec="png")


def write_tiff(path: Path, image: np.ndarray) -> None:
    """Write an image as a TIFF of its own bit depth, compressed without loss.

    Parameters
    ----------
    path : Path
    image : ndarray, (height, width)
    """
    with atomic_write(path) as temporary:
        tifffile.imwrite(temporary, image, compression="zlib")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
