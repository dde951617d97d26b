"""Find blood cells and spirochaetes in dark-field images."""

from segment.inference.segmentation import Segmentation, SegmentationOptions, segment_image

__all__ = ["Segmentation", "SegmentationOptions", "segment_image"]
