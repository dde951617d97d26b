"""Find blood cells and spirochaetes in dark-field images."""

from micrograph_networks import __version__
from segment.inference.model import SegmentationModel, load_model
from segment.inference.options import SegmentationOptions
from segment.inference.segmentation import Segmentation, segment_image

__all__ = [
    "Segmentation",
    "SegmentationModel",
    "SegmentationOptions",
    "__version__",
    "load_model",
    "segment_image",
]
