"""A trained focus network, loaded."""

from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Union

from focusqual.inference.network import NETWORKS
from micrograph_networks.engines import EngineOptions
from micrograph_networks.models.batching import BatchRunner
from micrograph_networks.models.loading import load_network

BATCH_SIZES = (256, 64, 16)
"""Patches that the network is given at a time; the smaller ones where memory is short."""


@dataclass(frozen=True)
class FocusModel:
    """A trained focus network, ready to rate images.

    Attributes
    ----------
    name : str
        Name and version of a shipped model, or the path of a weights file.
    card : Path or None
        The model card of a shipped one.
    engine : str
        Name of what computes.
    batches : BatchRunner
        The network, from normalized patches, float32 (n, 84, 84, 1), to probabilities, float32
        (n, 11), in batches that the memory holds.
    """

    name: str
    card: Optional[Path]
    engine: str
    batches: BatchRunner


def load_model(
    model: Union[str, Path, None] = None, engine: EngineOptions = EngineOptions()
) -> FocusModel:
    """Load a focus model; keep it, since this takes seconds.

    Parameters
    ----------
    model : str or Path, optional
        Name of a shipped model, such as ``focus_v1``, or path of a weights file; the newest shipped
        one by default.
    engine : EngineOptions
        What computes.

    Returns
    -------
    FocusModel

    Raises
    ------
    UserError
        The file is missing, damaged or for another network, or the engine is
        not installed.
    """
    trained = load_network(model, NETWORKS, engine)
    batches = BatchRunner("batches of {} patches", BATCH_SIZES, trained.functions)
    return FocusModel(trained.name, trained.card, trained.engine, batches)
