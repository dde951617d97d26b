"""Engines compute networks. Each file of this folder is an engine and has two functions.

- ``problem(bfloat16)`` returns why the engine cannot compute here, as a sentence for the user, and
  an empty string if it can. It imports no framework.
- ``load(network, arrays, bfloat16)`` returns the functions of :func:`load_functions`.
"""

import importlib
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

ENGINE_NAMES = ("tensorflow", "numpy")
"""Files of this folder, in the order in which the automatic choice tries them."""
AUTOMATIC = "automatic"
"""Choice of the first engine that can compute."""


class OutOfMemory(Exception):
    """Raised by an engine when it runs out of memory."""


@dataclass(frozen=True)
class EngineOptions(Checked):
    """Options of how a network is computed.

    Attributes
    ----------
    engine : str
        AUTOMATIC or one of ENGINE_NAMES.
    bfloat16 : bool
        True to compute with three digits instead of seven (float32).
    """

    engine: str = option(
        AUTOMATIC,
        "Compute with",
        "Library that computes the network; automatic is TensorFlow if it is installed, otherwise "
        "NumPy.",
        details="""\
-  *automatic:* TensorFlow if it is installed, otherwise NumPy.
-  *tensorflow:* Must be installed into CellProfiler's Python. It is the faster one on graphics
   cards and on processors with AVX-512 or AMX.
-  *numpy:* Needs nothing but CellProfiler, and the least memory.

Their results agree to four digits unless you compute with fewer digits. The measurement *Engine*
tells which one computed.
""",
        choices=(AUTOMATIC, *ENGINE_NAMES),
    )
    bfloat16: bool = option(
        False,
        "Compute faster with fewer digits?",
        "Compute with three digits (bfloat16) instead of seven (float32): a few times faster on "
        "processors with AMX (Intel Xeon since 2023), slower on others.",
        details="Results change in the third digit. It needs TensorFlow.",
    )


def chosen_engine(options: EngineOptions) -> str:
    """Return the name of the engine that computes with these options, one of ENGINE_NAMES.

    Raises
    ------
    UserError
        The engine is not installed or does not compute in bfloat16.
    """
    names = ENGINE_NAMES if options.engine == AUTOMATIC else (options.engine,)
    problems = [_module(name).problem(options.bfloat16) for name in names]
    for name, problem in zip(names, problems):
        if not problem:
            return name
    raise UserError(problems[0])


def load_functions(
    network: Network, arrays: Arrays, engine: str = AUTOMATIC, bfloat16: bool = False
) -> Tuple[InferenceFunction, ...]:
    """Load a network into an engine, ready for images of any number and size.

    Parameters
    ----------
    network : Network
    arrays : Arrays
        Kernels and biases of the layers.
    engine : str
        AUTOMATIC or one of ENGINE_NAMES.
    bfloat16 : bool
        True to compute with three digits instead of seven (float32).

    Returns
    -------
    tuple of InferenceFunction
        The first one is the fastest, and the next ones have more memory. They raise
        :class:`OutOfMemory`.

    Raises
    ------
    UserError
        The engine is not installed or does not compute in bfloat16.
    """
    chosen = chosen_engine(EngineOptions(engine, bfloat16))
    return _module(chosen).load(network, arrays, bfloat16)


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name}")
