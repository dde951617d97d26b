"""The CellProfiler modules, with what belongs to each."""

import importlib
from dataclasses import dataclass
from types import ModuleType
from typing import Callable, Dict, Tuple


@dataclass(frozen=True)
class Product:
    """A CellProfiler module and its core.

    Attributes
    ----------
    module : str
        Name of the module's class. Its file in plugins/ has the name in lower case.
    package : str
        Package of the core.
    command : str
        Command line of the core.
    tables : tuple of str
        Tables that its command ``predict`` writes.
    pipelines : tuple of str
        Files in example_pipelines/.
    """

    module: str
    package: str
    command: str
    tables: Tuple[str, ...]
    pipelines: Tuple[str, ...]

    def part(self, name: str) -> ModuleType:
        """Import a part of the core, such as ``inference.network``."""
        return importlib.import_module(f"{self.package}.{name}")

    @property
    def networks(self) -> Dict[str, Callable]:
        """Declarations of the core's networks, by architecture."""
        return self.part("inference.network").NETWORKS

    @property
    def architectures(self) -> Tuple[str, ...]:
        """Architectures of the core's networks."""
        return tuple(self.networks)

    @property
    def weights_file(self) -> str:
        """Name of the weights file that a training writes."""
        return self.part("inference.model").WEIGHTS_FILE


FOCUS = Product(
    module="MeasureImageFocusQuality",
    package="focusqual",
    command="focusqual",
    tables=("focus.csv", "patches.csv"),
    pipelines=("focus_qc.cppipe",),
)
DARKFIELD = Product(
    module="SegmentDarkfieldCells",
    package="segment",
    command="segment-darkfield",
    tables=("cells.csv", "images.csv"),
    pipelines=("darkfield_cells.cppipe", "darkfield_evaluate.cppipe"),
)
PRODUCTS = (FOCUS, DARKFIELD)
