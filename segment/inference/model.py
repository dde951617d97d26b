"""Load a trained dark-field network."""

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
from segment.inference.dissimilarity import TextureModel, declared_textures, load_textures
from segment.inference.evidence import Evidence, declared_evidence
from segment.inference.network import FULL, NETWORKS

LARGEST_WORKING_SIZE = 10_000
"""Largest plausible working size in pixels; larger ones are refused as damage."""
TILE_SIZES = (1184, 704, 448)
"""Square roots of the maximum number of pixels of a tile for a network of full width, to be tried
in this order if memory is short.

The full network takes up to 1 KB of memory for every pixel of a tile, and keeps most of it. Other
networks take memory in proportion to the channels of their first convolution."""
WEIGHTS_FILE = "darkfield.h5"
"""Name of the weights file that a training writes."""


@dataclass(frozen=True)
class SegmentationModel:
    """A trained network that is ready to segment images.

    Attributes
    ----------
    name : str
        Name and version of a shipped model, or the path of a weights file.
    card : Path or None
        Path of the model card of a shipped model.
    engine : str
        Name of the engine.
    tiles : BatchRunner
        Network that computes tiles as large as memory allows: from normalized images, float32
        (n, h, w, 3), h and w multiples of 32, to probabilities, float32 (n, h, w, classes).
    classes : tuple of PixelClass
        Classes in the order of the class indices, the background first.
    working_size : int
        Longer side of the training images in pixels.
    cell_diameter : float
        Median diameter of a cell in pixels of the training images.
    textures : TextureModel or None
        Textures of the training images; None if the weights file has none.
    evidence : Evidence or None
        Probabilities of spirochaetes; None if the file has none.
    """

    name: str
    card: Optional[Path]
    engine: str
    tiles: BatchRunner
    classes: Tuple[PixelClass, ...]
    working_size: int
    cell_diameter: float
    textures: Optional[TextureModel] = None
    evidence: Optional[Evidence] = None


def load_model(
    model: Union[str, Path, None] = None, engine: Union[str, EngineOptions] = EngineOptions()
) -> SegmentationModel:
    """Load a dark-field model. Loading takes seconds, so reuse the returned object.

    Parameters
    ----------
    model : str or Path, optional
        Name of a shipped model or path of a weights file; the newest shipped model by default.
    engine : str or EngineOptions
        Engine and its precision.

    Raises
    ------
    UserError
        The file is missing, damaged, for another network or without a class that forms objects,
        or the engine is not installed.
    """
    trained = load_network(model, NETWORKS, engine)
    with add_path_to_errors(trained.name):
        classes = declared_classes(trained.attributes)
        working_size, cell_diameter = _scale(trained.attributes)
        usual = declared_textures(trained.attributes, trained.network)
        evidence = declared_evidence(trained.attributes)
    textures = usual and TextureModel(load_textures(trained.network, trained.layers), usual)
    tiles = BatchRunner("tiles of {0}x{0} pixels", tile_sizes(trained.network), trained.functions)
    return SegmentationModel(
        name=trained.name,
        card=trained.card,
        engine=trained.engine,
        tiles=tiles,
        classes=classes,
        working_size=working_size,
        cell_diameter=cell_diameter,
        textures=textures,
        evidence=evidence,
    )


def tile_sizes(network: Network) -> List[int]:
    """Return the tile sizes at which a network takes as much memory as one of full width.

    They are in the order of TILE_SIZES, and at least the smallest of these.
    """
    narrower = FULL.encoder[0] / network.find(Convolution)[0].channels
    return [max(int(size * math.sqrt(narrower)), TILE_SIZES[-1]) for size in TILE_SIZES]


def _scale(attributes: Dict[str, Any]) -> Tuple[int, float]:
    """Read working size and cell diameter from the attributes of a file that may be damaged."""
    size, diameter = attributes.get("working_size", 0), attributes.get("cell_diameter", 0)
    are_numbers = isinstance(size, int) and isinstance(diameter, (int, float))
    if are_numbers and 1 <= size <= LARGEST_WORKING_SIZE and 0 < diameter <= size:
        return size, float(diameter)
    raise UserError("It holds an unusable scale: copy or train it again.")
