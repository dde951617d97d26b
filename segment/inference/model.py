"""A trained dark-field network, loaded."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple, Union

from micrograph_networks.engines import EngineOptions
from micrograph_networks.errors import UserError, add_path_to_errors
from micrograph_networks.models.batching import BatchRunner
from micrograph_networks.models.loading import load_network
from micrograph_networks.networks.layers import Convolution, Network
from segment.classes import PixelClass, declared_classes
from segment.inference.network import FULL, NETWORKS

LARGEST_WORKING_SIZE = 10_000
"""In pixels; a damaged file may hold anything."""
TILE_SIZES = (1184, 704, 448)
"""Of tiles for a network of full width: each has at most so many pixels squared at the working
scale. The smaller ones are for where memory is short.

The full network takes up to 1 KB of memory for every pixel of a tile, and keeps most of it; others
in proportion to the channels of their first convolution, which has one result a pixel."""
WEIGHTS_FILE = "darkfield.h5"
"""Name of the weights file that a training writes."""


@dataclass(frozen=True)
class SegmentationModel:
    """A trained network and the scale that it knows, ready to segment images.

    Attributes
    ----------
    name : str
        Name and version of a shipped model, or the path of a weights file.
    card : Path or None
        The model card of a shipped one.
    engine : str
        Name of what computes.
    tiles : BatchRunner
        The network, from normalized images, float32 (n, h, w, 3), h and w multiples of 32, to
        probabilities, float32 (n, h, w, classes), in tiles that the memory holds.
    classes : tuple of PixelClass
        In the order of the indices, the background first.
    working_size : int
        Longer side of the training images in pixels.
    cell_diameter : float
        Median diameter of a cell in pixels of the training images.
    """

    name: str
    card: Optional[Path]
    engine: str
    tiles: BatchRunner
    classes: Tuple[PixelClass, ...]
    working_size: int
    cell_diameter: float


def load_model(
    model: Union[str, Path, None] = None, engine: EngineOptions = EngineOptions()
) -> SegmentationModel:
    """Load a dark-field model; keep it, since this takes seconds.

    Parameters
    ----------
    model : str or Path, optional
        Name of a shipped model or path of a weights file; the newest shipped model by default.
    engine : EngineOptions
        What computes, and how precisely.

    Returns
    -------
    SegmentationModel

    Raises
    ------
    UserError
        The file is missing, damaged, for another network or without a class that becomes objects,
        or the engine is not installed.
    """
    trained = load_network(model, NETWORKS, engine)
    with add_path_to_errors(trained.name):
        classes = declared_classes(trained.attributes)
    working_size, cell_diameter = _scale(trained.name, trained.attributes)
    tiles = BatchRunner("tiles of {0}x{0} pixels", tile_sizes(trained.network), trained.functions)
    return SegmentationModel(
        name=trained.name,
        card=trained.card,
        engine=trained.engine,
        tiles=tiles,
        classes=classes,
        working_size=working_size,
        cell_diameter=cell_diameter,
    )


def tile_sizes(network: Network) -> List[int]:
    """Sizes of tiles that take as much memory as those of the network of full width.

    Parameters
    ----------
    network : Network

    Returns
    -------
    list of int
        Square roots of the largest numbers of pixels, the largest first; none is below the smallest
        of the full network's.
    """
    narrower = FULL.encoder[0] / network.find(Convolution)[0].channels
    return [max(int(size * math.sqrt(narrower)), TILE_SIZES[-1]) for size in TILE_SIZES]


def _scale(name: str, attributes: Dict[str, Any]) -> Tuple[int, float]:
    """Working size and cell diameter, checked: a damaged file may hold anything."""
    size, diameter = attributes.get("working_size", 0), attributes.get("cell_diameter", 0)
    numbers = isinstance(size, int) and isinstance(diameter, (int, float))
    if numbers and 1 <= size <= LARGEST_WORKING_SIZE and 0 < diameter <= size:
        return size, float(diameter)
    raise UserError(f"{name} holds an unusable scale: copy or train it again.")
