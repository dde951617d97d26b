"""What computes networks: each file of this folder is an engine, and this one the door to them.

An engine has

- ``expected_time(network, bfloat16)``, beside that of TensorFlow on a processor with AVX2 alone;
  infinity where it cannot compute, and
- ``load(network, arrays, bfloat16)``, which gives functions from images to probabilities.
"""

import importlib
import math
import pkgutil
from dataclasses import dataclass
from types import ModuleType
from typing import Callable, Tuple

import numpy as np

from micrograph_networks.errors import UserError
from micrograph_networks.networks.computing import Arrays
from micrograph_networks.networks.layers import Network
from micrograph_networks.options import Checked, option

InferenceFunction = Callable[[np.ndarray], np.ndarray]
"""From images, float32 (n, height, width, channels), to probabilities, float32 (n, ...)."""

ENGINE_NAMES = tuple(module.name for module in pkgutil.iter_modules(__path__))
"""Of the files of this folder."""


AUTOMATIC = "automatic"
"""The choice of the engine that is expected to be the fastest."""


class OutOfMemory(Exception):
    """What an engine's function raises where the memory does not suffice."""


@dataclass(frozen=True)
class EngineOptions(Checked):
    """What computes a network, and how.

    Attributes
    ----------
    engine : str
        AUTOMATIC or one of ENGINE_NAMES.
    bfloat16 : bool
        Whether to compute with three digits instead of seven (float32).
    """

    engine: str = option(
        AUTOMATIC,
        "Compute with",
        "What computes the network; automatic takes the fastest that is installed.",
        details="""\
-  *automatic:* TensorFlow on a graphics card and on processors with AVX-512 or AMX; otherwise what
   was measured to be the faster one for this network.
-  *numpy:* Needs nothing but what CellProfiler brings, and the least memory.
-  *tensorflow:* Has to be installed into CellProfiler's Python.

The results in float32 are the same to four digits. The measurement *Engine* says what computed.
""",
        choices=(AUTOMATIC, *ENGINE_NAMES),
    )
    bfloat16: bool = False

    def __post_init__(self) -> None:
        """Raise UserError where a value is none of an option's."""
        super().__post_init__()
        if not isinstance(self.bfloat16, bool):
            raise UserError(f"bfloat16 must be True or False, not {self.bfloat16}.")


@dataclass(frozen=True)
class RoundingEngineOptions(EngineOptions):
    """Where bfloat16 is a choice, too."""

    bfloat16: bool = option(
        False,
        "Compute in bfloat16?",
        "Compute with three digits (bfloat16) instead of seven (float32): a few times faster on "
        "processors with AMX (Intel Xeon since 2023), slower on others.",
        details="Outlines may move by a pixel here and there. It needs TensorFlow.",
    )


def engine(name: str) -> ModuleType:
    """The engine of a name.

    Parameters
    ----------
    name : str
        One of ENGINE_NAMES.

    Returns
    -------
    module
    """
    return importlib.import_module(f"{__name__}.{name}")


def chosen_engine(options: EngineOptions, network: Network) -> str:
    """The engine that computes a network.

    Parameters
    ----------
    options : EngineOptions
    network : Network

    Returns
    -------
    str
        One of ENGINE_NAMES.

    Raises
    ------
    UserError
        None that is installed computes in bfloat16.
    """
    if options.engine != AUTOMATIC:
        return options.engine
    times = {n: engine(n).expected_time(network, options.bfloat16) for n in ENGINE_NAMES}
    chosen = min(ENGINE_NAMES, key=lambda name: times[name])
    if math.isinf(times[chosen]):
        raise UserError(
            "No engine that is installed computes in bfloat16: install TensorFlow, or compute "
            "without bfloat16."
        )
    return chosen


def check_engine(options: EngineOptions, network: Network) -> None:
    """Refuse what no installed engine computes, without importing one's framework.

    Parameters
    ----------
    options : EngineOptions
    network : Network

    Raises
    ------
    UserError
    """
    chosen = chosen_engine(options, network)
    if math.isinf(engine(chosen).expected_time(network, options.bfloat16)):
        reason = " or knows no bfloat16" * options.bfloat16
        raise UserError(f"{chosen} is not installed in this Python{reason}: choose automatic.")


def load_functions(
    network: Network, arrays: Arrays, name: str, bfloat16: bool = False
) -> Tuple[InferenceFunction, ...]:
    """Make a network ready to compute images of any number and size.

    Parameters
    ----------
    network : Network
    arrays : Arrays
    name : str
        Of the engine.
    bfloat16 : bool

    Returns
    -------
    tuple of callable
        The preferred one first; the next ones are for where its memory does not suffice. They raise
        :class:`OutOfMemory`.

    Raises
    ------
    UserError
        The engine is not installed, or knows no bfloat16.
    """
    return engine(name).load(network, arrays, bfloat16)
