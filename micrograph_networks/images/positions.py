"""Position of a plane in a stack or plate: well, field, timepoint, channel, z, page, frame."""

from dataclasses import dataclass
from typing import Callable, Dict, Optional, Sequence

import numpy as np

from micrograph_networks.errors import UserError
from micrograph_networks.images.acquisition import Acquisition

POSITION_COLUMNS = (
    "file",
    "well",
    "field",
    "series",
    "timepoint",
    "channel",
    "channel_name",
    "z",
    "page",
    "frame",
)
"""Table columns of positions; a table has those of which any value is known.

Numbers start at 0, as in OME metadata and in CellProfiler. Fields of an OME-Zarr have the names
that they have there. ``series`` is the name that a file gives to a field. ``frame`` is the number
by which CellProfiler opens a plane of a TIFF."""
Position = Dict[str, object]
"""Known values of POSITION_COLUMNS for one plane."""


@dataclass(frozen=True)
class PositionedImage:
    """One image of a file.

    Attributes
    ----------
    position : Position
        Position in the file; empty if the file contains one image.
    read : callable
        Function that returns the image, (height, width[, channels]), or raises UserError.
    acquisition : Acquisition
        Optics, stage position and time, as far as the metadata of the file tell them.
    group : str, optional
        Path in an OME-Zarr of the group of the image; empty for that of the whole OME-Zarr.
    """

    position: Position
    read: Callable[[], np.ndarray]
    acquisition: Acquisition = Acquisition()
    group: Optional[str] = None


def unreadable_image(position: Position, error: UserError) -> PositionedImage:
    """Return an image that raises an error when it is read.

    Parameters
    ----------
    position : Position
    error : UserError
    """

    def read() -> np.ndarray:
        raise error

    return PositionedImage(position, read)


def with_channel_name(position: Position, names: Sequence[str]) -> Position:
    """Add the name of its channel to a position, where the name is known.

    Parameters
    ----------
    position : Position
        A position without a channel number means channel 0.
    names : sequence of str
        Names of the channels; unknown names are missing or empty.
    """
    for number, name in enumerate(names):
        if name and number == position.get("channel", 0):
            return {**position, "channel_name": name}
    return position
