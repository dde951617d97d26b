"""Rate the focus of microscope images patch by patch."""

from focusqual.optics import LEVELS, Optics, defocus
from focusqual.patches import PATCH_SIZE
from focusqual.rating import FocusRating, RatingOptions, rate_focus

__all__ = [
    "LEVELS",
    "PATCH_SIZE",
    "FocusRating",
    "Optics",
    "RatingOptions",
    "defocus",
    "rate_focus",
]
