"""Read microscope images as arrays."""

import logging
from pathlib import Path

import numpy as np
import tifffile

from micrograph_networks.errors import UserError, naming
from micrograph_networks.files.writing import whole_file

TIFF_SUFFIXES = (".tif", ".tiff")
# ITU-R BT.601 luma, the weights of CellProfiler's and scikit-image's predecessors alike.
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
# Remarks of the decoders on damaged files would stand beside our one sentence.
for decoder in ("imagecodecs", "tifffile"):
    logging.getLogger(decoder).addHandler(logging.NullHandler())


def read_image(path):
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
    try:
        is_tiff = path.suffix.lower() in TIFF_SUFFIXES
        image = tifffile.imread(path) if is_tiff else imagecodecs.imread(path)
        if image is None:
            raise ValueError("it holds no page")
    except Exception as error:  # decoders raise dozens of types on damaged files
        raise UserError(
            f"{path} cannot be read as an image ({_first_line(error)}): "
            "it may be truncated or of an unsupported format; use PNG or TIFF."
        ) from error
    if image.size == 0:
        raise UserError(f"{path} holds no pixels: export the image again.")
    return image


def read_grey(path):
    """Read an image as :func:`read_image` does and bring it to grey as :func:`to_grey` does.

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
        return to_grey(read_image(path))


def to_grey(image):
    """Bring a grey or colour image to one channel.

    Alpha is dropped and colours are weighed by ITU-R BT.601 luma (0.299, 0.587, 0.114).

    Parameters
    ----------
    image : ndarray, (height, width) or (height, width, 1 to 4), any real dtype

    Returns
    -------
    ndarray, (height, width)
        The image itself where it is grey, else float32 of the same range.

    Raises
    ------
    UserError
        The array has other dimensions, such as a 3-D stack.
    """
    if image.ndim == 2:
        return image
    if image.ndim == 3 and image.shape[2] in (1, 2):
        return image[:, :, 0]
    if image.ndim == 3 and image.shape[2] in (3, 4):
        return image[:, :, :3].astype(np.float32) @ LUMA
    raise UserError(
        f"An image of shape {image.shape} is neither grey nor colour: "
        "rate the planes of a stack, or the channels of a composite, one at a time."
    )


def write_png(path, picture):
    """Write a picture as an 8-bit PNG.

    Parameters
    ----------
    path : Path
    picture : ndarray, (height, width) or (height, width, 3)
        Grey or RGB; floats of 0 to 1, or uint8, which are written as they are.
    """
    import imagecodecs

    if picture.dtype != np.uint8:
        rounded = np.empty(picture.shape, dtype=np.uint8)
        # Row by row: a large picture leaves no memory for copies.
        for source, target in zip(picture, rounded):
            target[...] = np.rint(source * 255)
        picture = rounded
    with whole_file(path) as temporary:
        imagecodecs.imwrite(temporary, np.ascontiguousarray(picture), codec="png")


def write_tiff(path, image):
    """Write an image as a TIFF of its own bit depth, compressed without loss.

    Parameters
    ----------
    path : Path
    image : ndarray, (height, width)
    """
    with whole_file(path) as temporary:
        tifffile.imwrite(temporary, image, compression="zlib")


def _first_line(error):
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
