"""TIFF files of one or several images: pages, ImageJ hyperstacks, OME-TIFF, pyramids of scanners.

Only the given file is read. OME-XML and other metadata may name further files of a set, and may
claim images that the file does not contain.
"""

import contextlib
import functools
import json
import math
import re
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple
from xml.etree.ElementTree import Element

import numpy as np
import tifffile

from micrograph_networks.errors import UserError
from micrograph_networks.images.acquisition import Acquisition
from micrograph_networks.images.limits import check_planes, check_size, explain_read_errors
from micrograph_networks.images.ome_xml import OmeImage, ome_images, parse_xml
from micrograph_networks.images.positions import (
    Position,
    PositionedImage,
    unreadable_image,
    with_channel_name,
)
from micrograph_networks.images.tiff_acquisition import Line, read_acquisition, vendor_lines
from micrograph_networks.images.tiff_colors import channel_count, convert_colors

AXES = {"T": "timepoint", "C": "channel", "S": "channel", "Z": "z"}
"""Position columns of tifffile's axes; all other axes count pages."""
IMAGE_KINDS = ("generic", "imagej", "ome", "shaped", "uniform")
"""Kinds of files in which every series is an image. Slide scanners' files have labels, too."""
COMPRESSIONS = (1, 5, 8, 32773, 32946, 34925, 50000)
"""Allowed compressions of bytes: none, LZW, Deflate, PackBits, LZMA and Zstandard."""
PICTURES = (7, 33003, 33005, 33007, 34712)
"""Allowed compressions as pictures, which claim a size of their own: JPEG and JPEG 2000."""
PICTURE_SIZE = re.compile(rb"\xff(?:[\xc0-\xcf]..[\x08-\x10](..)(..)|\x51....(.{4})(.{4}))", re.S)
"""Height and width in a JPEG (marker SOF), or width and height in a JPEG 2000 (marker SIZ)."""
SINGLE_FILE = {
    "_multifile": False,
    **{flag: False for flag in ("is_mmstack", "is_ndtiff") if hasattr(tifffile.TiffFile, flag)},
}
"""Options of tifffile by which it opens no other file."""


def find_images(path: Path) -> List[PositionedImage]:
    """Find the images of a TIFF file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    list of PositionedImage
        One without position if the file contains one image. Images that the metadata claim, and
        pages that are lost, are one image at the end that raises UserError when it is read.

    Raises
    ------
    UserError
        The file cannot be read, or claims more than it can hold.
    """
    with explain_read_errors(path), _open(path) as tiff:
        _check_page(tiff, tiff.pages[0])
        len(tiff.pages)  # tifffile raises an error here if pages form a circle, or else never ends
        _check_claims(tiff)
        series = _image_series(tiff)
        described, lines = _ome_images(tiff), vendor_lines(tiff)
        shapes = {one.keyframe.shape for one in tiff.series}
        problem = _loss(tiff)
        images: List[PositionedImage] = []
        for number, one in series.items():
            _check_page(tiff, one.keyframe)
            ome = described.get(number, OmeImage())
            if len(series) == 1 and not _stack_axes(one)[0]:
                if problem:
                    raise _truncated(path, problem)
                acquired = _acquisition(tiff, one, 0, {}, ome, lines)
                return [PositionedImage({}, functools.partial(_read, path, 0, 0), acquired)]
            place = ome.position
            if len(series) > 1:
                name = ome.name or one.name
                place = {"field": number, **({"series": name} if name else {}), **place}
            held, claimed = _held(tiff, one), _claimed(one)
            for index, position in zip(range(held), _positions(one)):
                position = with_channel_name({**place, **position}, ome.channels)
                frame = _frame(tiff, one, index) if len(shapes) == 1 else None
                if frame is not None:
                    position["frame"] = frame
                read = functools.partial(_read, path, number, index)
                acquired = _acquisition(tiff, one, index, position, ome, lines)
                images.append(PositionedImage(position, read, acquired))
            if held < claimed:
                error = _truncated(path, f"claims {claimed} images and contains {held}")
                images.append(unreadable_image({**place, "page": held}, error))
        if problem:
            error = _truncated(path, problem)
            images.append(unreadable_image({"page": len(tiff.pages)}, error))
        return images


def _check_pictures(tiff: tifffile.TiffFile, page: tifffile.TiffPage) -> None:
    """Raise UserError if a page contains JPEG pictures that claim too many pixels."""
    for offset, count in zip(page.dataoffsets, page.databytecounts):
        tiff.filehandle.seek(offset)
        for found in PICTURE_SIZE.finditer(tiff.filehandle.read(count)):
            height, width = (int.from_bytes(side, "big") for side in found.groups() if side)
            check_size((height or 1, width or 1, 4), 1, count)


def _truncated(path: Path, problem: str) -> UserError:
    return UserError(f"{path} {problem}: it may be truncated; copy or export it again.")


def _loss(tiff: tifffile.TiffFile) -> str:
    """Return how it shows that pages are lost or not described; empty if none is."""
    tiff.filehandle.seek(tiff.pages.next_page_offset)
    if any(tiff.filehandle.read(tiff.tiff.offsetsize)):
        return "lacks its last pages"
    pages = len(tiff.pages)
    claimed = (tiff.imagej_metadata or {}).get("images", pages)
    # tifffile takes a claim that is too high for no claim, and leaves out pages if it is too low.
    if claimed > pages and tiff.series[0].kind.lower() != "imagej" or claimed < pages:
        return f"claims {claimed} images and contains {pages}"
    return ""


@contextlib.contextmanager
def _open(path: Path) -> Iterator[tifffile.TiffFile]:
    """Open a TIFF, and no other file of a set."""
    # tifffile would take a file for that of a slide scanner by its name.
    with open(path, "rb") as file, tifffile.TiffFile(file, name="image.tif", **SINGLE_FILE) as tiff:
        yield tiff


def _check_page(tiff: tifffile.TiffFile, page: tifffile.TiffPage) -> None:
    """Raise an error if the file cannot hold what a page claims."""
    if page.dtype is None:
        raise ValueError(f"it has {page.bitspersample} bits per sample")
    if page.compression not in COMPRESSIONS + PICTURES:
        raise ValueError(f"its compression {page.compression} is not supported")
    stored = min(sum(page.databytecounts), tiff.filehandle.size)
    samples = page.samplesperpixel
    check_size((page.imagelength, page.imagewidth, samples), page.dtype.itemsize, stored)
    if page.is_tiled:
        check_size((page.tilelength, page.tilewidth, samples), page.dtype.itemsize, stored)


def _image_series(tiff: tifffile.TiffFile) -> Dict[int, tifffile.TiffPageSeries]:
    """Return the series of images by their numbers, without previews, at full resolution."""
    # Older versions of tifffile write the kinds in capitals.
    is_known = tiff.series[0].kind.lower() in IMAGE_KINDS
    return {
        number: series
        for number, series in enumerate(tiff.series if is_known else tiff.series[:1])
        if number == 0 or not series.keyframe.is_reduced
    }


def _stack_axes(series: tifffile.TiffPageSeries) -> Tuple[str, Tuple[int, ...]]:
    """Return the names and lengths of the axes along which the images of a series are stacked."""
    page, axes, shape = series.keyframe, series.axes, series.shape
    while shape[-page.ndim :] != page.shape and shape[-1:] == (1,):  # of an array image[..., None]
        axes, shape = axes[:-1], shape[:-1]
    if shape[-page.ndim :] != page.shape:
        raise ValueError(f"its pages are {page.shape}, but it is {series.shape}")
    axes, lengths = axes[: -page.ndim], shape[: -page.ndim]
    channels = channel_count(page)
    return (axes, lengths) if channels == 1 else (f"{axes}S", (*lengths, channels))


def _claimed(series: tifffile.TiffPageSeries) -> int:
    """Return the number of images of a series by the metadata."""
    count = math.prod(_stack_axes(series)[1])
    check_planes(count)
    return count


def _held(tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> int:
    """Return the number of images of a series that the file can hold."""
    page = series.keyframe
    channels = channel_count(page)
    pages, claimed = len(series.pages), _claimed(series) // channels
    if pages == 1 and page.is_contiguous:  # ImageJ and others describe only the first page
        pages = (tiff.filehandle.size - page.dataoffsets[0]) // _bytes(page)
    elif pages > claimed:
        raise ValueError(f"it claims {claimed} pages and contains {pages}")
    return min(pages, claimed) * channels


def _bytes(page: tifffile.TiffPage) -> int:
    return math.prod(page.shape) * page.dtype.itemsize


def _positions(series: tifffile.TiffPageSeries) -> Iterator[Position]:
    """Yield the positions of the images, in the order of pages and, within a page, of samples."""
    axes, lengths = _stack_axes(series)
    for index in np.ndindex(*lengths):
        position: Dict[str, int] = {}
        for axis, length, number in zip(axes, lengths, index):
            name = AXES.get(axis, "page")
            position[name] = position.get(name, 0) * length + number
        yield dict(position)


def _frame(tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries, index: int) -> Optional[int]:
    """Return the number by which CellProfiler opens an image of a series.

    CellProfiler numbers the pages of files whose pages all have the same shape. A channel within a
    page has no number.
    """
    if channel_count(series.keyframe) > 1:
        return None
    if (tiff.is_imagej or tiff.is_stk) and len(series.pages) == 1:  # see _stored_page
        return index
    page = series.pages[index] if index < len(series.pages) else None
    return page.index if page else None


def _read(path: Path, number: int, index: int) -> np.ndarray:
    """Read an image of a series by its index in the order of :func:`_positions`."""
    with explain_read_errors(path), _open(path) as tiff:
        series = tiff.series[number]
        page = series.keyframe
        channels = channel_count(page)
        page_index, channel = divmod(index, channels)
        pixels = convert_colors(page, _stored_page(tiff, series, page_index))
        return pixels if channels == 1 else pixels.take(channel, axis=page.axes.index("S"))


def _stored_page(
    tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries, index: int
) -> np.ndarray:
    """Read a page of a series as it is stored."""
    page = series.keyframe
    if index < len(series.pages):
        if series.pages[index] is None:
            raise ValueError("it lacks this page")
        if page.compression in PICTURES:
            _check_pictures(tiff, series.pages[index])
        return series.pages[index].asarray()
    dtype = np.dtype(tiff.byteorder + page.dtype.char)
    tiff.filehandle.seek(page.dataoffsets[0] + index * _bytes(page))
    pixels = np.frombuffer(tiff.filehandle.read(_bytes(page)), dtype)
    return pixels.reshape(page.shape).astype(dtype.newbyteorder("="))


def _ome_root(tiff: tifffile.TiffFile) -> Optional[Element]:
    """Return the root of the OME-XML; None if there is none, or tifffile will not understand it."""
    return parse_xml(tiff.pages[0].description) if tiff.is_ome else None


def _check_claims(tiff: tifffile.TiffFile) -> None:
    """Raise an error if metadata claim so many images that tifffile would run out of memory."""
    imagej = tiff.imagej_metadata or {}
    check_planes(_product([imagej.get(key, 1) for key in ("frames", "slices", "channels")]))
    for page in tiff.pages if tiff.is_shaped else ():
        if page.description.startswith("{"):
            shape = json.loads(page.description).get("shape", ())
            check_planes(_product(shape) // math.prod(page.shape))
    root = _ome_root(tiff)
    if root is not None:
        _check_ome(root, smallest=min(math.prod(page.shape) for page in tiff.pages))


def _product(numbers: Sequence[Any]) -> int:
    if not all(isinstance(number, int) for number in numbers):
        raise ValueError(f"its metadata have {numbers} instead of whole numbers")
    return math.prod(numbers)


def _check_ome(root: Element, smallest: int) -> None:
    """Check the images that OME-XML claims, for which tifffile takes the pages one by one.

    Parameters
    ----------
    root : Element
    smallest : int
        Number of pixels of the smallest page.
    """
    for pixels in root.findall(".//{*}Pixels"):
        claimed = math.prod(int(pixels.get(f"Size{axis}", 1)) for axis in "XYZCT")
        check_planes(claimed // smallest)
        for data in pixels.findall("{*}TiffData"):
            check_planes(max(int(data.get(name, 0)) for name in ("NumPlanes", "PlaneCount", "IFD")))
    for along in root.iter():
        if "Start" in along.attrib and "End" in along.attrib:
            steps = float(along.get("End", 0)) - float(along.get("Start", 0))
            check_planes(int(abs(steps / float(along.get("Step", 1)))))


def _ome_images(tiff: tifffile.TiffFile) -> Dict[int, OmeImage]:
    """Return the descriptions of the series in OME-XML by their numbers; none if damaged."""
    root = _ome_root(tiff)
    if root is None or tiff.series[0].kind.lower() != "ome":
        return {}
    with contextlib.suppress(LookupError, ValueError):  # the images can be read without them
        return dict(enumerate(ome_images(root)))
    return {}


def _acquisition(
    tiff: tifffile.TiffFile,
    series: tifffile.TiffPageSeries,
    index: int,
    position: Position,
    ome: OmeImage,
    lines: Sequence[Line],
) -> Acquisition:
    """Return how an image of a series was acquired, by its index as for :func:`_read`."""
    number = index // channel_count(series.keyframe)
    page = series.pages[number] if number < len(series.pages) else None
    described = ome.acquisition(position)
    return read_acquisition(tiff, page or series.keyframe, position, described, lines)
