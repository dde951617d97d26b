"""Rate the focus of microscope images patch by patch."""

from focusqual.inference.model import FocusModel, load_model
from focusqual.inference.options import RatingOptions
from focusqual.inference.prediction import rate_focus
from focusqual.inference.rating import FocusRating

__all__ = ["FocusModel", "FocusRating", "RatingOptions", "load_model", "rate_focus"]
