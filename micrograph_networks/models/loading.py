"""Load a trained network from the name of a shipped model or from a weights file."""

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Optional, Tuple, Union

from micrograph_networks.engines import (
    EngineOptions,
    InferenceFunction,
    chosen_engine,
    load_functions,
)
from micrograph_networks.errors import UserError
from micrograph_networks.files.reading import read_file
from micrograph_networks.models.registry import (
    ADVICE,
    LARGEST_FILE,
    REGISTRY,
    ShippedModel,
    shipped_models,
    verified_content,
)
from micrograph_networks.models.weights_file import Networks, Weights, parse_weights
from micrograph_networks.networks.computing import Arrays
from micrograph_networks.networks.layers import Network

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainedNetwork:
    """A network that is ready to compute.

    Attributes
    ----------
    name : str
        Name and version of a shipped model, or path of the weights file.
    card : Path or None
        Path of the model card; None for other weights files.
    attributes : dict
        Attributes of the weights file.
    network : Network
        Declaration of the network.
    layers : Arrays
        Arrays of its layers.
    engine : str
        Name of the engine that computes.
    functions : tuple of InferenceFunction
        See :func:`micrograph_networks.engines.load_functions`.
    """

    name: str
    card: Optional[Path]
    attributes: Dict[str, Any]
    network: Network
    layers: Arrays
    engine: str
    functions: Tuple[InferenceFunction, ...]


def load_network(
    model: Union[str, Path, None], networks: Networks, engine: Union[str, EngineOptions]
) -> TrainedNetwork:
    """Load a trained network into an engine.

    Parameters
    ----------
    model : str, Path or None
        Name of a shipped model or path of a weights file; None for the newest shipped model.
    networks : Networks
        Networks to accept.
    engine : str or EngineOptions
        Name of an engine, or options of how to compute.

    Raises
    ------
    UserError
        The file is missing, damaged or for another network, or the engine is not installed.
    """
    options = engine if isinstance(engine, EngineOptions) else EngineOptions(engine)
    shipped = shipped_model(model, networks)
    weights, network = read_network(model, networks)
    chosen = chosen_engine(options)
    functions = load_functions(network, weights.layers, chosen, options.bfloat16)
    name, card = (shipped.name, shipped.card) if shipped else (str(model), None)
    logger.info("%s computes %s", chosen, name)
    return TrainedNetwork(
        name, card, weights.attributes, network, weights.layers, chosen, functions
    )


def read_network(model: Union[str, Path, None], networks: Networks) -> Tuple[Weights, Network]:
    """Read the weights of a model, and declare the network that they belong to.

    Parameters and errors as for :func:`load_network`.
    """
    shipped = shipped_model(model, networks)
    if shipped:
        return parse_weights(verified_content(shipped), shipped.path, networks)
    path = Path(str(model))
    if not os.path.exists(path):  # unlike Path.exists, also for names that are too long
        names = ", ".join(known.name for known in shipped_models(networks))
        raise UserError(
            f"The weights file {path} does not exist, and the shipped models are {names}: "
            "check the name or the path."
        )
    return parse_weights(read_file(path, LARGEST_FILE), path, networks)


def shipped_model(model: Union[str, Path, None], networks: Networks) -> Optional[ShippedModel]:
    """Return the shipped model of a name, the newest one for None, or None for a path."""
    known = shipped_models(networks)
    if model is None and not known:
        raise UserError(f"{REGISTRY} lists no model of {' or '.join(networks)}: {ADVICE}.")
    if model is None:
        return known[-1]
    return next((one for one in known if one.name == str(model)), None)
