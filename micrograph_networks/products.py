"""What this project offers: a CellProfiler module a row, with all that is named after it."""

import importlib
from dataclasses import dataclass
from types import ModuleType
from typing import Tuple


@dataclass(frozen=True)
class Product:
    """A CellProfiler module and its core.

    Attributes
    ----------
    module : str
        Class of the module; its file in plugins/ has the name in lower case.
    package : str
        The core.
    command : str
        The core's command line.
    weights_file : str
        What its training writes.
    tables : tuple of str
        What its command ``predict`` writes.
    pipelines : tuple of str
        Files in example_pipelines/.
    """

    module: str
    package: str
    command: str
    weights_file: str
    tables: Tuple[str, ...]
    pipelines: Tuple[str, ...]

    def part(self, name: str) -> ModuleType:
        """A part of the core, such as ``inference.network``, imported when it is asked for."""
        return importlib.import_module(f"{self.package}.{name}")

    @property
    def architectures(self) -> Tuple[str, ...]:
        """Of the networks that the core runs."""
        return tuple(self.part("inference.network").NETWORKS)


FOCUS = Product(
    module="MeasureImageFocusQuality",
    package="focusqual",
    command="focusqual",
    weights_file="focus.h5",
    tables=("focus.csv", "patches.csv"),
    pipelines=("focus_qc.cppipe",),
)
DARKFIELD = Product(
    module="SegmentDarkfieldCells",
    package="segment",
    command="segment-darkfield",
    weights_file="darkfield.h5",
    tables=("cells.csv",),
    pipelines=("darkfield_cells.cppipe", "darkfield_evaluate.cppipe"),
)
PRODUCTS = (FOCUS, DARKFIELD)
"""All of them."""
