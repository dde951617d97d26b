"""Position of a plane in a stack or plate: well, field, time, channel, z, page, frame."""

from typing import Callable, Dict, Sequence, Tuple

import numpy as np

POSITION_COLUMNS = (
    "file",
    "well",
    "field",
    "time",
    "channel",
    "channel_name",
    "z",
    "page",
    "frame",
)
"""Table columns of positions; a table has those of which any value is known.

Numbers start at 0, as in OME metadata and in CellProfiler. Fields of an OME-Zarr have the names
that they have there. ``frame`` is the number by which CellProfiler opens a plane of a TIFF."""
Position = Dict[str, object]
"""Known values of POSITION_COLUMNS for one plane."""
PositionedImage = Tuple[Position, Callable[[], np.ndarray]]
"""Position of a plane, and a function that reads the plane, (height, width[, channels])."""


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
