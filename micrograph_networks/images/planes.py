"""The images that a command is given: files, and every plane of stacks and plates."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Dict, Iterable, Iterator, List, Sequence, Set

import numpy as np

from micrograph_networks.images import ome_zarr, tiff_stacks
from micrograph_networks.images.image_files import (
    TIFF_SUFFIXES,
    Place,
    Placed,
    list_images,
    read_image,
)

SHORT = {"well": "", "field": "field", "time": "time", "channel": "ch", "z": "z", "page": "page"}
"""What stands before a value in the names of images; none looks like a well."""
PLACE_COLUMNS = ("file", "well", "field", "time", "channel", "channel_name", "z", "page", "frame")
"""That tables have for images of stacks and plates, as far as anything is known of them.

Numbers are counted from 0, as in OME's metadata and CellProfiler's; fields of an OME-Zarr have the
names that they have there. By its frame CellProfiler opens an image of a TIFF."""


@dataclass(frozen=True)
class Plane:
    """An image, which is a file of its own or lies in a stack or a plate.

    Attributes
    ----------
    path : Path
        Of the file, or the folder of an OME-Zarr.
    read : callable
        Gives the image, (height, width) or (height, width, channels); raises a UserError.
    place : dict
        Values of PLACE_COLUMNS; empty for a file that holds one image.
    suffix : str
        What tells it from the other images of its file.
    """

    path: Path
    read: Callable[[], np.ndarray]
    place: Place = field(default_factory=dict)
    suffix: str = ""

    def __str__(self) -> str:
        return f"{self.path} ({self.suffix})" if self.suffix else str(self.path)

    @property
    def stem(self) -> str:
        """Of the names of files that are made of it."""
        return f"{self.path.stem}_{self.suffix}" if self.suffix else self.path.stem

    @property
    def name(self) -> str:
        """In tables."""
        return self.stem if self.suffix else self.path.name


def planes_of(paths: Iterable[Path]) -> List[Plane]:
    """The images of files, OME-Zarr folders, and folders of PNG and TIFF files, in their order.

    A TIFF that holds a stack or several images, and an OME-Zarr image or plate, give an image for
    every well, field, time, channel and plane. What cannot be read gives one that says so then.

    Parameters
    ----------
    paths : iterable of Path

    Returns
    -------
    list of Plane

    Raises
    ------
    UserError
        The package that reads OME-Zarr is missing, or a folder holds no image.
    """
    files = [file for path in paths for file in _files(path)]
    return [plane for file in files for plane in _planes_of_one(file)]


def _files(path: Path) -> List[Path]:
    plain_folder = path.is_dir() and not ome_zarr.is_ome_zarr(path)
    return list_images([path]) if plain_folder else [path]


def place_columns(planes: Iterable[Plane]) -> List[str]:
    """Those of PLACE_COLUMNS of which images have values; none if each is a file of its own."""
    known = {column for plane in planes for column in plane.place}
    return [column for column in PLACE_COLUMNS if column in known]


def place_values(plane: Plane, columns: Sequence[str]) -> List[object]:
    """The place of an image as the end of its row."""
    return [plane.place.get(column, "") for column in columns]


def _planes_of_one(path: Path) -> Iterator[Plane]:
    placed = _placed_images(path)
    values: Dict[str, Set[str]] = {
        key: {str(place[key]) for place, _ in placed if key in place} for key in SHORT
    }
    varying = {key: max(map(len, found)) for key, found in values.items() if len(found) > 1}
    for place, read in placed:
        parts = [
            SHORT[key] + _padded(str(place[key]), length)
            for key, length in varying.items()
            if key in place
        ]
        known = {"file": path.name, **place} if place else place
        yield Plane(path, read, known, "_".join(parts))


def _padded(value: str, length: int) -> str:
    """Numbers with as many digits as the longest one, so that names sort as numbers do."""
    return value.zfill(length) if value.isdigit() else value


def _placed_images(path: Path) -> List[Placed]:
    if path.suffix.lower() in TIFF_SUFFIXES and path.is_file():
        placed = tiff_stacks.images(path)
    elif path.is_dir() and ome_zarr.is_ome_zarr(path):
        placed = ome_zarr.images(path)
    else:
        placed = []
    return placed or [({}, lambda: read_image(path))]
