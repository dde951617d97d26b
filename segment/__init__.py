"""Find blood cells and spirochaetes in dark-field images."""

from micrograph_networks import __version__
from segment.inference.segmentation import Segmentation, SegmentationOptions, segment_image

__all__ = ["Segmentation", "SegmentationOptions", "__version__", "segment_image"]
