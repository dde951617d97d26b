"""Unit test of MeasureImageFocusQuality."""

import sys
from pathlib import Path

import numpy
import pytest
from cellprofiler_core.constants.measurement import IMAGE
from cellprofiler_core.image import Image, ImageSetList
from cellprofiler_core.measurement import Measurements
from cellprofiler_core.object import ObjectSet
from cellprofiler_core.pipeline import Pipeline
from cellprofiler_core.preferences import set_headless
from cellprofiler_core.workspace import Workspace
from scipy.ndimage import gaussian_filter

set_headless()
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "active_plugins"))
measureimagefocusquality = pytest.importorskip("measureimagefocusquality")


def measured(pixels):
    """Run the module and return a function from a feature's name to its value."""
    module = measureimagefocusquality.MeasureImageFocusQuality()
    module.image_groups[0].image_name.value = "DNA"
    module.module_num = 1
    pipeline = Pipeline()
    pipeline.add_module(module)
    image_set_list, measurements = ImageSetList(), Measurements()
    image_set = image_set_list.get_image_set(0)
    image_set.add("DNA", Image(pixels))
    module.run(Workspace(pipeline, module, image_set, ObjectSet(), measurements, image_set_list))
    return lambda name: measurements.get_measurement(IMAGE, f"ImageFocus_{name}_DNA")


def test_blur_raises_the_score_and_blank_images_are_uncertain():
    spots = numpy.random.default_rng(0).random((252, 252)) > 0.995
    sharp, blurred = (gaussian_filter(spots.astype(float), sigma) for sigma in (1, 10))
    assert measured(sharp)("Score") < measured(blurred)("Score")
    assert measured(numpy.full((252, 252), 0.2))("Certainty") == pytest.approx(0, abs=1e-6)
