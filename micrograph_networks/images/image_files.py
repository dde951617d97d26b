"""Read and write image files."""

import functools
import logging
import re
import struct
import zlib
from pathlib import Path
from typing import List, Optional, Sequence, Union

import numpy as np
import tifffile
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
)

from micrograph_networks.errors import UserError, add_path_to_errors
from micrograph_networks.files.ownership import RESULT, is_result, mark
from micrograph_networks.files.writing import atomic_write
from micrograph_networks.images import tiff_stacks
from micrograph_networks.images.gray import to_gray
from micrograph_networks.images.limits import check_size, explain_read_errors
from micrograph_networks.images.positions import PositionedImage
from micrograph_networks.images.tiff_colors import COLORS, PALETTE, color_model

TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""First bytes of TIFF and BigTIFF files, whatever their suffix: .tif, .lsm, .stk, .svs, .btf."""
FORMATS = {
    b"\x89PNG\r\n\x1a\n": (PngImagePlugin.PngImageFile, "png"),
    b"\xff\xd8\xff": (JpegImagePlugin.JpegImageFile, "jpeg8"),
    b"\0\0\0\x0cjP  ": (Jpeg2KImagePlugin.Jpeg2KImageFile, "jpeg2k"),
    b"BM": (BmpImagePlugin.BmpImageFile, ""),
    b"GIF8": (GifImagePlugin.GifImageFile, ""),
}
"""Pillow's class and the codec of imagecodecs by the first bytes of a file.

Pillow reads the size. It decodes only the formats without a codec, because it lacks 16-bit RGB."""
COLOR_MODES = ("RGB", "RGBA", "P", "CMYK", "YCbCr")
"""Pillow's modes of images with colors."""
LISTED = (*TIFF_SIGNATURES, *list(FORMATS)[:2])
"""First bytes of the images that are searched for in folders: TIFF, PNG and JPEG."""
IMAGE_SUFFIXES = (".png", ".tif", ".tiff")
"""Suffixes of images in folders that are listed even if they are damaged."""
THUMBNAIL = re.compile("_thumb", re.IGNORECASE)
"""Part of the names of thumbnails, which ImageXpress writes beside its images."""
PNG_HEADER = 33
"""Length of a PNG's signature and first chunk."""
# Hide what decoders log about damaged files: our error message says it.
for decoder in ("imagecodecs", "tifffile"):
    logging.getLogger(decoder).addHandler(logging.NullHandler())


def find_images(path: Path) -> List[PositionedImage]:
    """Find the images of a file by its content, whatever its suffix.

    Parameters
    ----------
    path : Path

    Returns
    -------
    list of PositionedImage
        One without position if the file contains one image.

    Raises
    ------
    UserError
        The file is missing, damaged, or not an image.
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist or is not a file: check the path.")
    with explain_read_errors(path):
        is_tiff = _first_bytes(path).startswith(TIFF_SIGNATURES)
    if is_tiff:
        return tiff_stacks.find_images(path)
    return [PositionedImage({}, functools.partial(_read_single, path))]


def read_image(path: Union[str, Path]) -> np.ndarray:
    """Read a file of one image: TIFF, or PNG of 8 or 16 bits, with its own bit depth.

    Colors become RGB as CellProfiler shows them.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    ndarray, (height, width) or (height, width, channels)

    Raises
    ------
    UserError
        The file is missing, truncated, not an image, or contains several images.
    """
    return _only_image(path).read()


def _only_image(path: Union[str, Path]) -> PositionedImage:
    images = find_images(Path(path))
    if len(images) > 1:
        raise UserError(
            f"{path} contains {len(images)} images: save each plane of the stack as its own file."
        )
    return images[0]


def _first_bytes(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(8)


def _read_single(path: Path) -> np.ndarray:
    """Read an image that is not a TIFF."""
    import imagecodecs  # the CellProfiler application lacks it, and reads images itself

    with explain_read_errors(path):
        first = _first_bytes(path)
        found = [kind for start, kind in FORMATS.items() if first.startswith(start)]
        if not found:
            raise ValueError("its format is unknown")
        image_file, codec = found[0]
        with open(path, "rb") as file:
            picture = image_file(file)
            width, height = picture.size
            check_size((height, width, 3), 1, path.stat().st_size)
            if not codec:
                return np.array(picture if picture.mode in ("L", "RGB") else picture.convert("RGB"))
        image = imagecodecs.imread(path, codec=codec)
        # CellProfiler inverts the inks, as those of a TIFF, and ignores black.
        return 255 - image[..., :3] if picture.mode == "CMYK" else image


def has_color(path: Path) -> bool:
    """Return True if a file is an image with colors, as far as its header tells."""
    try:
        with explain_read_errors(path):
            first = _first_bytes(path)
            if first.startswith(TIFF_SIGNATURES):
                with tifffile.TiffFile(path) as file:
                    return color_model(file.pages[0]) in (*COLORS, PALETTE)
            with open(path, "rb") as opened:
                for start, (image_file, _) in FORMATS.items():
                    if first.startswith(start):
                        return image_file(opened).mode in COLOR_MODES
    except UserError:
        pass
    return False


def list_images(folders: Sequence[Path]) -> List[Path]:
    """Return the paths of the PNG, TIFF and JPEG images in folders, sorted.

    Hidden files, thumbnails and pictures of results are skipped.

    Raises
    ------
    UserError
        A folder does not exist, or none contains an image.
    """
    for folder in folders:
        if not Path(folder).is_dir():
            raise UserError(f"{folder} is not a folder: check the path.")
    paths = sorted(path for folder in folders for path in Path(folder).iterdir() if is_listed(path))
    if not paths:
        raise UserError(f"No PNG or TIFF image is in {', '.join(map(str, folders))}.")
    return paths


def is_listed(path: Path) -> bool:
    """Return True if a file of a folder is taken for an image, by its suffix or its content."""
    if path.name.startswith(".") or THUMBNAIL.search(path.name) or path.is_dir():
        return False
    if is_result(path):
        return False
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return True
    try:
        return path.is_file() and _first_bytes(path).startswith(LISTED)
    except OSError:
        return False


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


def write_png(path: Path, picture: np.ndarray, kind: str = RESULT) -> None:
    """Write a picture as an 8-bit PNG, with the mark of the running command.

    Parameters
    ----------
    path : Path
    picture : ndarray, (height, width) or (height, width, 3)
        Gray or RGB; floats from 0 to 1, or uint8.
    kind : str
        Kind of the mark, see ``micrograph_networks.files.ownership``.
    """
    import imagecodecs

    if picture.dtype != np.uint8:
        rounded = np.empty(picture.shape, dtype=np.uint8)
        # Row by row, because there may not be enough memory for copies of a large picture.
        for source, target in zip(picture, rounded):
            target[...] = np.rint(source * 255)
        picture = rounded
    encoded = imagecodecs.png_encode(np.ascontiguousarray(picture))
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        file.write(encoded[:PNG_HEADER])
        file.write(_png_software(mark(kind)))
        file.write(encoded[PNG_HEADER:])


def _png_software(text: Optional[str]) -> bytes:
    """Return the chunk of a PNG that names the software."""
    if text is None:
        return b""
    chunk = b"tEXtSoftware\0" + text.encode("latin-1")
    return struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))


def write_tiff(path: Path, image: np.ndarray, kind: str = RESULT) -> None:
    """Write an image as a TIFF with its own bit depth and lossless compression.

    Parameters
    ----------
    path : Path
    image : ndarray, (height, width)
    kind : str
        Kind of the mark of the running command, see ``micrograph_networks.files.ownership``.
    """
    with atomic_write(path) as temporary:
        tifffile.imwrite(temporary, image, compression="zlib", software=mark(kind))
