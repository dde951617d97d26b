"""From the name of a shipped model, or a weights file, to a network that is ready to compute."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Mapping, Optional, Tuple, Union

from micrograph_networks.engines import (
    EngineOptions,
    InferenceFunction,
    chosen_engine,
    load_functions,
)
from micrograph_networks.errors import UserError, naming
from micrograph_networks.models.registry import ShippedModel, shipped_models, verified_path
from micrograph_networks.models.weights_file import Weights, check_shapes, read_weights
from micrograph_networks.networks.layers import Network, array_shapes

logger = logging.getLogger(__name__)

Networks = Mapping[str, Callable[[Dict[str, Any]], Network]]
"""By architecture, what declares the network from the attributes of a weights file."""


@dataclass(frozen=True)
class TrainedNetwork:
    """A network with its arrays, ready to compute.

    Attributes
    ----------
    name : str
        Name and version of a shipped model, or else the path of the weights file.
    card : Path or None
        The model card of a shipped one.
    attributes : dict
        Of the weights file.
    network : Network
        Its declaration.
    engine : str
        Name of what computes.
    functions : tuple of InferenceFunction
        As :func:`micrograph_networks.engines.load_functions` gives them.
    """

    name: str
    card: Optional[Path]
    attributes: Dict[str, Any]
    network: Network
    engine: str
    functions: Tuple[InferenceFunction, ...]


def load_network(
    model: Union[str, Path, None], networks: Networks, options: EngineOptions
) -> TrainedNetwork:
    """Load a trained network.

    Parameters
    ----------
    model : str or Path, optional
        Name of a shipped model, or path of a weights file; the newest shipped one by default.
    networks : Networks
        Those that may be.
    options : EngineOptions

    Returns
    -------
    TrainedNetwork

    Raises
    ------
    UserError
        The file is missing, damaged or for another network, or the engine is not installed.
    """
    known = shipped_model(model, networks)
    weights, network = _read(known, model, networks)
    chosen = chosen_engine(options)
    functions = load_functions(network, weights.layers, chosen, options.bfloat16)
    name, card = (known.name, known.card) if known else (str(model), None)
    logger.info("%s computes %s", chosen, name)
    return TrainedNetwork(name, card, weights.attributes, network, chosen, functions)


def read_network(model: Union[str, Path, None], networks: Networks) -> Tuple[Weights, Network]:
    """Read the weights of a model, and declare the network that they are for.

    Parameters and errors as for :func:`load_network`.

    Returns
    -------
    Weights, Network
    """
    return _read(shipped_model(model, networks), model, networks)


def _read(
    known: Optional[ShippedModel], model: Union[str, Path, None], networks: Networks
) -> Tuple[Weights, Network]:
    path = Path(str(model)) if known is None else verified_path(known)
    if not path.exists():
        names = ", ".join(shipped.name for shipped in shipped_models(networks))
        raise UserError(
            f"The weights file {path} does not exist, and the shipped models are {names}: "
            "check the name or the path."
        )
    weights = read_weights(path, networks)
    with naming(path):
        network = networks[weights.architecture](weights.attributes)
        check_shapes(weights, array_shapes(network))
    return weights, network


def shipped_model(model: Union[str, Path, None], networks: Networks) -> Optional[ShippedModel]:
    """The shipped model of a name, the newest one for None; None for a path.

    Parameters as for :func:`load_network`.

    Returns
    -------
    ShippedModel or None
    """
    by_name = {known.name: known for known in shipped_models(networks)}
    return by_name.get(list(by_name)[-1] if model is None else str(model))
