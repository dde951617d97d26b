"""What computes networks: each file of this folder is an engine, and this one the door to them.

An engine has

- ``import_framework()``, which imports what it computes with, or raises UserError, and
- ``load(network, arrays, bfloat16)``, which gives functions from images to probabilities.
"""

import importlib
import pkgutil
from dataclasses import dataclass
from types import ModuleType
from typing import Callable, Tuple

import numpy as np

from micrograph_networks.networks.computing import Arrays
from micrograph_networks.networks.layers import Network
from micrograph_networks.options import Checked, option

InferenceFunction = Callable[[np.ndarray], np.ndarray]
"""From images, float32 (n, height, width, channels), to probabilities, float32 (n, ...)."""

ENGINE_NAMES = tuple(module.name for module in pkgutil.iter_modules(__path__))
"""Of the files of this folder."""


class OutOfMemory(Exception):
    """What an engine's function raises where the memory does not suffice."""


@dataclass(frozen=True)
class EngineOptions(Checked):
    """What computes a network, and how.

    Attributes
    ----------
    name : str
        One of ENGINE_NAMES.
    bfloat16 : bool
        Whether to compute with three digits instead of seven (float32).
    """

    name: str = "tensorflow"
    bfloat16: bool = option(
        False,
        "Compute in bfloat16?",
        "Compute with three digits (bfloat16) instead of seven (float32): a few times faster on "
        "processors with AMX (Intel Xeon since 2023), slower on others.",
        details="Outlines may move by a pixel here and there.",
    )


def engine(options: EngineOptions) -> ModuleType:
    """The engine of a name.

    Parameters
    ----------
    options : EngineOptions

    Returns
    -------
    module
    """
    return importlib.import_module(f"{__name__}.{options.name}")


def load_functions(
    network: Network, arrays: Arrays, options: EngineOptions
) -> Tuple[InferenceFunction, ...]:
    """Make a network ready to compute images of any number and size.

    Parameters
    ----------
    network : Network
    arrays : Arrays
    options : EngineOptions

    Returns
    -------
    tuple of callable
        The preferred one first; the next ones are for where its memory does not suffice. They raise
        :class:`OutOfMemory`.

    Raises
    ------
    UserError
        The engine is not installed.
    """
    return engine(options).load(network, arrays, options.bfloat16)
