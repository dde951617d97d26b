"""Unit test of SegmentDarkfieldCells."""

import sys
from pathlib import Path

import numpy
import pytest
from cellprofiler_core.image import Image, ImageSetList
from cellprofiler_core.measurement import Measurements
from cellprofiler_core.object import ObjectSet
from cellprofiler_core.pipeline import Pipeline
from cellprofiler_core.preferences import set_headless
from cellprofiler_core.workspace import Workspace
from scipy.ndimage import gaussian_filter

set_headless()
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "active_plugins"))
segmentdarkfieldcells = pytest.importorskip("segmentdarkfieldcells")


def test_bright_rings_are_cells():
    y, x = numpy.mgrid[:320, :320]
    rings = [abs(numpy.hypot(y - row, x - 90) - 29) < 4 for row in (80, 230)]
    light = gaussian_filter(numpy.any(rings, axis=0).astype(float), 2)
    module = segmentdarkfieldcells.SegmentDarkfieldCells()
    module.x_name.value = "Darkfield"
    module.module_num = 1
    pipeline = Pipeline()
    pipeline.add_module(module)
    image_set_list, object_set = ImageSetList(), ObjectSet()
    image_set = image_set_list.get_image_set(0)
    image_set.add("Darkfield", Image(numpy.dstack([light * 0.9, light * 0.8, light])))
    workspace = Workspace(pipeline, module, image_set, object_set, Measurements(), image_set_list)
    module.run(workspace)
    (name,) = object_set.get_object_names()
    cells = object_set.get_objects(name).segmented
    assert cells.max() == 2
    assert cells[80, 90] != cells[230, 90]
