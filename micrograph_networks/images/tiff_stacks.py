"""TIFF files that contain several images: pages, ImageJ hyperstacks, OME-TIFF."""

import contextlib
import functools
import re
from pathlib import Path
from string import ascii_uppercase
from typing import Dict, Iterator, List, Optional, Tuple
from xml.etree import ElementTree

import numpy as np
import tifffile

from micrograph_networks.errors import UserError
from micrograph_networks.images.gray import is_image
from micrograph_networks.images.image_files import explain_read_errors
from micrograph_networks.images.positions import Position, PositionedImage, with_channel_name

AXES = {"T": "time", "C": "channel", "S": "channel", "Z": "z"}
"""Position columns of tifffile's axes; all other axes count pages."""
IMAGE_KINDS = ("generic", "imagej", "ome", "shaped", "uniform")
"""Kinds of files in which every series is an image. Slide scanners' files have labels, too."""


def find_images(path: Path) -> List[PositionedImage]:
    """Find the images of a TIFF file that contains several.

    Parameters
    ----------
    path : Path

    Returns
    -------
    list of PositionedImage
        Empty if the file contains one image, or cannot be read.
    """
    # A damaged file is read as a single image later, and that explains the damage.
    with contextlib.suppress(Exception), _open(path) as tiff:
        series = _image_series(tiff)
        single = len(series) == 1
        if single and is_image(tiff.series[0].shape) and not _describes_other_files(tiff):
            return []
        fields = _ome_fields(tiff.ome_metadata) if tiff.is_ome else {}
        shapes = {one.keyframe.shape for one in tiff.series}
        images: List[PositionedImage] = []
        for number, one in series.items():
            field, channels = fields.get(number, ({}, []))
            if not field and not single:
                field = {"field": number}
            for index, position in enumerate(_positions(one)):
                position = with_channel_name({**field, **position}, channels)
                frame = _frame(tiff, one, index) if len(shapes) == 1 else None
                if frame is not None:
                    position["frame"] = frame
                images.append((position, functools.partial(_read, path, number, index)))
        if not _is_complete(tiff):
            images.append(({"page": len(tiff.pages)}, functools.partial(_fail, path)))
        return images
    return []


def _is_complete(tiff: tifffile.TiffFile) -> bool:
    """Return True if the last page that was found says that no page follows."""
    tiff.filehandle.seek(tiff.pages.next_page_offset)
    return int.from_bytes(tiff.filehandle.read(tiff.tiff.offsetsize), "little") == 0


def _fail(path: Path) -> np.ndarray:
    raise UserError(f"{path} lacks its last pages: it is truncated; copy it again.")


def _describes_other_files(tiff: tifffile.TiffFile) -> bool:
    """Return True if the OME-XML describes the images of several files."""
    page = tiff.pages[0]
    files = re.findall(r'FileName="([^"]*)"', page.description) if page.is_ome else ()
    return len(set(files)) > 1


@contextlib.contextmanager
def _open(path: Path) -> Iterator[tifffile.TiffFile]:
    """Open a file without the other files that its OME-XML describes."""
    with tifffile.TiffFile(path) as tiff:
        if not _describes_other_files(tiff):
            yield tiff
            return
    with tifffile.TiffFile(path, is_ome=False) as tiff:
        yield tiff


def _image_series(tiff: tifffile.TiffFile) -> Dict[int, tifffile.TiffPageSeries]:
    """Return the series of images by their numbers, without previews."""
    # Older versions of tifffile write the kinds in capitals.
    is_known = tiff.series[0].kind.lower() in IMAGE_KINDS
    return {
        number: series
        for number, series in enumerate(tiff.series if is_known else tiff.series[:1])
        if number == 0 or not series.keyframe.is_reduced
    }


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
    if not is_image(series.keyframe.shape):
        return None
    if tiff.is_imagej and len(series.pages) == 1:  # a large stack, see _read
        return index
    page = series.pages[index] if index < len(series.pages) else None
    return page.index if page else None


def _stack_axes(series: tifffile.TiffPageSeries) -> Tuple[str, Tuple[int, ...]]:
    """Return the names and lengths of the axes along which the images of a series are stacked."""
    page = series.keyframe
    if not series.axes.endswith(page.axes):
        raise ValueError(f"its pages are {page.axes}, but it is {series.axes}")
    axes, lengths = series.axes[: -page.ndim], series.shape[: -page.ndim]
    if is_image(page.shape):
        return axes, lengths
    # Planar samples, and more than four samples, are channels: stacks are often declared so.
    return f"{axes}S", (*lengths, page.shape[page.axes.index("S")])


def _read(path: Path, number: int, index: int) -> np.ndarray:
    """Read an image of a series by its index in the order of :func:`_positions`."""
    with explain_read_errors(path), _open(path) as tiff:
        series = tiff.series[number]
        page = series.keyframe
        _, lengths = _stack_axes(series)
        samples = 1 if is_image(page.shape) else lengths[-1]
        page_index, sample = divmod(index, samples)
        pages = int(np.prod(lengths)) // samples
        if len(series.pages) == pages:
            image = series.pages[page_index].asarray()
        else:  # ImageJ describes only the first page of a large stack
            stack = tifffile.memmap(path, series=number, mode="r").reshape(pages, *page.shape)
            image = stack[page_index].astype(stack.dtype.newbyteorder("="))
        return image if samples == 1 else image.take(sample, axis=page.axes.index("S"))


def _ome_fields(xml: str) -> Dict[int, Tuple[Position, List[str]]]:
    """Return well and field, and the names of the channels, of every series by its number."""
    root = ElementTree.fromstring(xml)
    wells: Dict[str, Position] = {}
    for well in root.findall(".//{*}Well"):
        row, column = int(well.attrib["Row"]), int(well.attrib["Column"])
        name = f"{_row_letters(row)}{column + 1:02}"
        for field, image in enumerate(well.findall(".//{*}ImageRef")):
            wells[image.attrib["ID"]] = {"well": name, "field": field}
    fields = {}
    for number, image in enumerate(root.findall("{*}Image")):
        channels = [channel.get("Name", "") for channel in image.findall(".//{*}Channel")]
        fields[number] = (wells.get(image.attrib["ID"], {}), channels)
    return fields


def _row_letters(row: int) -> str:
    """Return A to Z, then AA and so on, as plates of 1536 wells have them."""
    more, last = divmod(row, len(ascii_uppercase))
    return (ascii_uppercase[more - 1] if more else "") + ascii_uppercase[last]
