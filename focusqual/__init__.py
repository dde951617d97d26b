"""Measure the focus of microscope images patch by patch."""

from focusqual.inference.measurement import FocusMeasurement
from focusqual.inference.model import FocusModel, load_model
from focusqual.inference.options import FocusOptions
from focusqual.inference.prediction import measure_focus
from micrograph_networks import __version__

__all__ = [
    "FocusModel",
    "FocusMeasurement",
    "FocusOptions",
    "__version__",
    "load_model",
    "measure_focus",
]
