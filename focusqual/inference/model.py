"""Loading of trained focus networks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Union

from focusqual.inference.network import NETWORKS
from micrograph_networks.engines import EngineOptions
from micrograph_networks.models.batching import BatchRunner
from micrograph_networks.models.loading import load_network

BATCH_SIZES = (256, 64, 16)
"""Patches per batch; smaller batches are used if there is not enough memory."""
WEIGHTS_FILE = "focus.h5"
"""Name of the weights file that a training writes."""


@dataclass(frozen=True)
class FocusModel:
    """A trained focus network, ready to measure images.

    Attributes
    ----------
    name : str
        Name and version of a shipped model, or path of a weights file.
    card : Path or None
        Model card of a shipped model.
    engine : str
        Name of the engine.
    batches : BatchRunner
        Runs the network on batches of normalized patches, float32 (n, 84, 84, 1), and returns
        probabilities, float32 (n, 11).
    """

    name: str
    card: Optional[Path]
    engine: str
    batches: BatchRunner


def load_model(
    model: Union[str, Path, None] = None, engine: Union[str, EngineOptions] = EngineOptions()
) -> FocusModel:
    """Load a focus model. Loading takes seconds, so reuse the returned object.

    Parameters
    ----------
    model : str or Path, optional
        Name of a shipped model, such as ``focus_v1``, or path of a weights file; the newest shipped
        model by default.
    engine : str or EngineOptions
        Name of an engine, such as ``numpy``, or options of how to compute.

    Raises
    ------
    UserError
        The file is missing, damaged or for another network, or the engine is not installed.
    """
    trained = load_network(model, NETWORKS, engine)
    batches = BatchRunner("batches of {} patches", BATCH_SIZES, trained.functions)
    return FocusModel(trained.name, trained.card, trained.engine, batches)
