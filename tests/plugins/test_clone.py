import re
import shutil
import subprocess
import sys

import pytest
from harness import ROOT

CLONE_ONLY = """
import sys
from pathlib import Path

clone, name = Path(sys.argv[1]), sys.argv[2]
# As on a machine where neither TensorFlow nor this package is installed.
sys.modules["tensorflow"] = None
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder)]

from cellprofiler_core import preferences

preferences.set_headless()
preferences.set_plugin_directory(str(clone / "plugins"))

import numpy
from cellprofiler_core.image import Image, ImageSetList
from cellprofiler_core.measurement import Measurements
from cellprofiler_core.modules import fill_modules
from cellprofiler_core.object import ObjectSet
from cellprofiler_core.pipeline import Pipeline
from cellprofiler_core.setting.subscriber import ImageSubscriber
from cellprofiler_core.utilities.core.modules import instantiate_module
from cellprofiler_core.workspace import Workspace

module = instantiate_module(name)
import micrograph_networks

assert Path(micrograph_networks.__file__).parent.parent == clone, micrograph_networks.__file__
for setting in module.settings():
    if isinstance(setting, ImageSubscriber):
        setting.value = "DNA"
if len(sys.argv) > 3:
    module.model.value = "Custom model"
    module.weights_directory.join_parts("Elsewhere...", str(Path(sys.argv[3]).parent))
    module.weights_file.value = Path(sys.argv[3]).name
images = ImageSetList()
images.get_image_set(0).add("DNA", Image(numpy.zeros((100, 100))))
try:
    module.run(
        Workspace(Pipeline(), module, images.get_image_set(0), ObjectSet(), Measurements(), images)
    )
except ValueError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A copy of what a user clones."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("plugins", "focusqual", "segment", "micrograph_networks", "model_weights"):
        shutil.copytree(ROOT / name, folder / name)
    return folder


@pytest.mark.parametrize("name", ["MeasureImageFocusQuality", "SegmentDarkfieldCells"])
def test_clone_without_tensorflow_is_listed_and_says_what_to_install(
    clone, tmp_path, name, colour_weights
):
    weights = [str(colour_weights)] if name == "SegmentDarkfieldCells" else []
    result = subprocess.run(
        [sys.executable, "-c", CLONE_ONLY, str(clone), name, *weights],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert result.returncode == 0, result.stderr
    assert re.fullmatch("DNA: TensorFlow is not installed .*pip install.*\n", result.stdout)
