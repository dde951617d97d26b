"""Rate the focus of microscope images patch by patch."""

from focusqual.inference.patches import PATCH_SIZE
from focusqual.inference.rating import FocusRating, RatingOptions, rate_focus
from focusqual.simulation.optics import LEVELS, Optics, defocus
from micrograph_networks import __version__

__all__ = [
    "LEVELS",
    "PATCH_SIZE",
    "FocusRating",
    "Optics",
    "RatingOptions",
    "__version__",
    "defocus",
    "rate_focus",
]
