"""Planes of files and folders: a command treats every plane of a stack or plate as one image."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Iterable, List, Optional, Sequence

import numpy as np

from micrograph_networks.errors import UserError
from micrograph_networks.images import image_files, ome_zarr
from micrograph_networks.images.acquisition import Acquisition
from micrograph_networks.images.image_files import list_images
from micrograph_networks.images.positions import (
    POSITION_COLUMNS,
    Position,
    PositionedImage,
    unreadable_image,
)

PREFIXES = {
    "well": "",
    "field": "field",
    "timepoint": "time",
    "channel": "ch",
    "z": "z",
    "page": "page",
}
"""Text before each value of a position in file names; no combination looks like a well."""


@dataclass(frozen=True)
class Plane:
    """An image that is a file of its own or one plane of a stack or plate.

    Attributes
    ----------
    path : Path
        Path of the file, or of the folder of an OME-Zarr.
    read : callable
        Function that returns the image, (height, width) or (height, width, channels), or raises
        UserError.
    position : Position
        Position in the file; empty if the file is one image.
    suffix : str
        Text that tells the plane from the other planes of its file.
    acquisition : Acquisition
        Optics, stage position and time, as far as the metadata of the file tell them.
    group : str, optional
        Path in an OME-Zarr of the group of the image; empty for that of the whole OME-Zarr.
    """

    path: Path
    read: Callable[[], np.ndarray]
    position: Position = field(default_factory=dict)
    suffix: str = ""
    acquisition: Acquisition = Acquisition()
    group: Optional[str] = None

    def __str__(self) -> str:
        return f"{self.path} ({self.suffix})" if self.suffix else str(self.path)

    @property
    def stem(self) -> str:
        """First part of the names of files that are made from the plane."""
        return f"{self.path.stem}_{self.suffix}" if self.suffix else self.path.stem

    @property
    def name(self) -> str:
        """Name of the plane in tables."""
        return self.stem if self.suffix else self.path.name


def planes_of(paths: Iterable[Path]) -> List[Plane]:
    """Find the planes of image files, OME-Zarr folders, and folders of PNG and TIFF files.

    A TIFF with several images, and an OME-Zarr image or plate, have a plane for every well, field,
    time, channel and z. The planes of damaged files raise UserError when they are read.

    Parameters
    ----------
    paths : iterable of Path

    Returns
    -------
    list of Plane
        In the order of the paths.

    Raises
    ------
    UserError
        The package that reads OME-Zarr is missing, or a folder contains no image.
    """
    planes: List[Plane] = []
    for path in paths:
        is_plain_folder = path.is_dir() and not ome_zarr.is_ome_zarr(path)
        for file in list_images([path]) if is_plain_folder else [path]:
            planes += _planes_of_file(file)
    return planes


def position_columns(planes: Iterable[Plane]) -> List[str]:
    """Return those of POSITION_COLUMNS that are known for any of the planes."""
    known = {column for plane in planes for column in plane.position}
    return [column for column in POSITION_COLUMNS if column in known]


def position_values(plane: Plane, columns: Sequence[str]) -> List[object]:
    """Return the values of some columns for a plane; unknown values are empty."""
    return [plane.position.get(column, "") for column in columns]


def _planes_of_file(path: Path) -> List[Plane]:
    images = _images_of_file(path)
    # Names have only those values that are not the same for all planes of the file.
    widths = {}
    for key in PREFIXES:
        values = {str(image.position[key]) for image in images if key in image.position}
        if len(values) > 1:
            widths[key] = max(len(value) for value in values)
    planes = []
    for image in images:
        parts = [
            PREFIXES[key] + _zero_padded(str(image.position[key]), width)
            for key, width in widths.items()
            if key in image.position
        ]
        position = {"file": path.name, **image.position} if image.position else {}
        suffix = "_".join(parts)
        acquired = image.acquisition
        plane = Plane(path, image.read, position, suffix, acquired, image.group)
        planes.append(plane)
    return planes


def _zero_padded(value: str, width: int) -> str:
    """Pad numbers with zeros, so that names sort as numbers do."""
    return value.zfill(width) if value.isdigit() else value


def _images_of_file(path: Path) -> List[PositionedImage]:
    if path.is_dir() and ome_zarr.is_ome_zarr(path):
        return ome_zarr.find_images(path)
    try:
        return image_files.find_images(path)
    except UserError as error:
        return [unreadable_image({}, error)]
