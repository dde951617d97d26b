"""Rate the focus of microscope images patch by patch."""

from focusqual.inference.model import FocusModel, load_model
from focusqual.inference.options import RatingOptions
from focusqual.inference.prediction import rate_focus
from focusqual.inference.rating import FocusRating
from micrograph_networks import __version__

__all__ = [
    "FocusModel",
    "FocusRating",
    "RatingOptions",
    "__version__",
    "load_model",
    "rate_focus",
]
