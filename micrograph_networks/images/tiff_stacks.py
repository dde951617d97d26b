"""TIFF files that hold several images: pages, ImageJ's hyperstacks, OME-TIFF."""

import contextlib
import functools
import itertools
import re
from pathlib import Path
from string import ascii_uppercase
from typing import Dict, Iterator, List, Tuple
from xml.etree import ElementTree

import numpy as np
import tifffile

from micrograph_networks.errors import UserError
from micrograph_networks.images.gray import is_image
from micrograph_networks.images.image_files import Place, Placed, named_channel, readable

AXES = {"T": "time", "C": "channel", "S": "channel", "Z": "z"}
"""Axes that tifffile names; all others count pages."""
SEVERAL_IMAGES = ("generic", "imagej", "ome", "shaped", "uniform")
"""Kinds of files whose series are all images; in those of slide scanners they are labels, too."""


def images(path: Path) -> List[Placed]:
    """The images of a TIFF file of several.

    Parameters
    ----------
    path : Path

    Returns
    -------
    list of Placed
        Empty where it is read as any other: it holds one image, or cannot be read.
    """
    # Reading the file as one image says what is wrong with it.
    with contextlib.suppress(Exception), _opened(path) as tiff:
        series = _series(tiff)
        alone = len(series) == 1
        if alone and is_image(tiff.series[0].shape) and not _has_others(tiff):
            return []
        fields = _ome_fields(tiff.ome_metadata) if tiff.is_ome else {}
        found: List[Placed] = []
        for number, one in series.items():
            field, channels = fields.get(number, ({}, []))
            field = field or ({} if alone else {"field": number})
            for index, (place, frame) in enumerate(zip(_places(one), _frames(tiff, one))):
                read = functools.partial(_read, path, number, index)
                found.append(({**field, **place, **named_channel(place, channels), **frame}, read))
        if not _is_whole(tiff):
            found.append(({"page": len(tiff.pages)}, functools.partial(_fail, path)))
        return found
    return []


def _is_whole(tiff: tifffile.TiffFile) -> bool:
    """Whether its last page says that none follows."""
    tiff.filehandle.seek(tiff.pages.next_page_offset)
    return int.from_bytes(tiff.filehandle.read(tiff.tiff.offsetsize), "little") == 0


def _fail(path: Path) -> np.ndarray:
    raise UserError(f"{path} lacks its last pages: it is truncated; copy it again.")


def _has_others(tiff: tifffile.TiffFile) -> bool:
    """Whether its OME-XML describes images of other files, too."""
    page = tiff.pages[0]
    files = re.findall(r'FileName="([^"]*)"', page.description) if page.is_ome else ()
    return len(set(files)) > 1


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tifffile.TiffFile]:
    """The file alone, without the others that its OME-XML describes."""
    with tifffile.TiffFile(path) as tiff:
        if not _has_others(tiff):
            yield tiff
            return
    with tifffile.TiffFile(path, is_ome=False) as tiff:
        yield tiff


def _series(tiff: tifffile.TiffFile) -> Dict[int, tifffile.TiffPageSeries]:
    """Series of images by their numbers, previews left out."""
    # Older versions of tifffile write the kinds in capitals.
    several = tiff.series[0].kind.lower() in SEVERAL_IMAGES
    return {
        number: series
        for number, series in enumerate(tiff.series if several else tiff.series[:1])
        if number == 0 or not series.keyframe.is_reduced
    }


def _places(series: tifffile.TiffPageSeries) -> Iterator[Dict[str, int]]:
    """Where its images lie, in the order of pages and, within a page, of samples."""
    axes, lengths = _stacked(series)
    for index in np.ndindex(*lengths):
        place: Dict[str, int] = {}
        for axis, length, number in zip(axes, lengths, index):
            name = AXES.get(axis, "page")
            place[name] = place.get(name, 0) * length + number
        yield place


def _frames(tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> Iterator[Dict[str, int]]:
    """The numbers by which CellProfiler opens the images of a series, in the order of _places.

    It counts the pages of a file, if all are alike; channels within a page have no number.
    """
    alike = len({one.keyframe.shape for one in tiff.series}) == 1
    if alike and is_image(series.keyframe.shape):
        if tiff.is_imagej and len(series.pages) == 1:  # a large stack, see _read
            yield from ({"frame": number} for number in itertools.count())
        yield from ({"frame": page.index} if page else {} for page in series.pages)
    yield from itertools.repeat({})


def _stacked(series: tifffile.TiffPageSeries) -> Tuple[str, Tuple[int, ...]]:
    """Names and lengths of the axes along which images lie."""
    page = series.keyframe
    if not series.axes.endswith(page.axes):
        raise ValueError(f"its pages are {page.axes}, but it is {series.axes}")
    axes, lengths = series.axes[: -page.ndim], series.shape[: -page.ndim]
    if is_image(page.shape):
        return axes, lengths
    # Planar colors, and more than four of them, are channels: stacks are often declared so.
    return f"{axes}S", (*lengths, page.shape[page.axes.index("S")])


def _read(path: Path, number: int, index: int) -> np.ndarray:
    """Read an image of a series by its place in the order of :func:`_places`."""
    with readable(path), _opened(path) as tiff:
        series = tiff.series[number]
        axes, lengths = _stacked(series)
        page = series.keyframe
        samples = 1 if is_image(page.shape) else lengths[-1]
        at, sample = divmod(index, samples)
        pages = int(np.prod(lengths)) // samples
        if len(series.pages) == pages:
            image = series.pages[at].asarray()
        else:  # ImageJ describes large stacks by their first page alone
            image = tifffile.memmap(path, series=number, mode="r").reshape(pages, *page.shape)[at]
            image = image.astype(image.dtype.newbyteorder("="))
        return image if samples == 1 else image.take(sample, axis=page.axes.index("S"))


def _ome_fields(xml: str) -> Dict[int, Tuple[Place, List[str]]]:
    """Well and field, and the names of channels, of every series by its number."""
    root = ElementTree.fromstring(xml)
    wells = {}
    for well in root.findall(".//{*}Well"):
        row, column = int(well.attrib["Row"]), int(well.attrib["Column"])
        name = f"{_row_letters(row)}{column + 1:02}"
        for field, image in enumerate(well.findall(".//{*}ImageRef")):
            wells[image.attrib["ID"]] = {"well": name, "field": field}
    return {
        number: (
            wells.get(image.attrib["ID"], {}),
            [channel.get("Name", "") for channel in image.findall(".//{*}Channel")],
        )
        for number, image in enumerate(root.findall("{*}Image"))
    }


def _row_letters(row: int) -> str:
    """A to Z, and AA on for the plates of 1536 wells."""
    more, last = divmod(row, len(ascii_uppercase))
    return (ascii_uppercase[more - 1] if more else "") + ascii_uppercase[last]
