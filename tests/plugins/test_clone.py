"""The modules in a clone that is not installed, and away from their packages."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from harness import ROOT

from micrograph_networks import __version__
from micrograph_networks.products import PRODUCTS

PACKAGES = ("micrograph_networks", *(product.package for product in PRODUCTS))

CLONE_ONLY = """
import sys
from pathlib import Path

plugins, name, *weights = sys.argv[1:]
# As in the CellProfiler application, which has none of these, nor this package.
for absent in ("tensorflow", "keras", "click", "filelock", "imagecodecs", "pandas", "tqdm"):
    sys.modules[absent] = None
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder)]

from cellprofiler_core import preferences

preferences.set_headless()
preferences.set_plugin_directory(plugins)

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
for package in {packages}:
    assert Path(__import__(package).__file__).parent.parent == Path(plugins).parent, package
for setting in module.settings():
    if isinstance(setting, ImageSubscriber):
        setting.value = "DNA"
if weights:
    module.model.value = "Custom model"
    module.weights_directory.join_parts("Elsewhere...", str(Path(weights[0]).parent))
    module.weights_file.value = Path(weights[0]).name
images = ImageSetList()
images.get_image_set(0).add("DNA", Image(numpy.zeros((100, 100))))
measurements = Measurements()
workspace = Workspace(
    Pipeline(), module, images.get_image_set(0), ObjectSet(), measurements, images
)
module.run(workspace)
(feature,) = (f for f in measurements.get_feature_names("Image") if "_Engine_" in f)
print(measurements.get_current_image_measurement(feature))
module.engine.value = "tensorflow"
try:
    module.run(workspace)
except ValueError as error:
    print(error)
""".replace("{packages}", repr(PACKAGES))


# CellProfiler 4 prints why it leaves out a module, CellProfiler 5 shows it in its window.
PLUGIN_ALONE = """
import sys

sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder)]
sys.path.insert(0, sys.argv[1])
__import__(sys.argv[2].lower())
"""


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A copy of what a user clones, in a folder with a space and an accent in its name."""
    folder = tmp_path_factory.mktemp("clone") / "é clone"
    for name in ("plugins", "model_weights", *PACKAGES):
        shutil.copytree(ROOT / name, folder / name)
    return folder


@pytest.fixture(params=PRODUCTS, ids=lambda product: product.module)
def product(request):
    return request.param


def run_module(plugins, folder, *arguments, path=(), code=CLONE_ONLY):
    """Load and run a module in a process whose path begins with some folders."""
    return subprocess.run(
        [sys.executable, "-c", code, str(plugins), *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_clone_without_tensorflow_computes_and_says_what_it_would_take(
    clone, tmp_path, product, colour_weights
):
    weights = [colour_weights] if product.package == "segment" else []
    result = run_module(clone / "plugins", tmp_path, product.module, *weights)

    assert result.returncode == 0, result.stderr
    sentence = "DNA: TensorFlow is not installed.*\n"
    assert re.fullmatch(f"numpy\n{sentence}", result.stdout)


def test_other_packages_of_the_same_names_do_not_hide_ours(clone, tmp_path, product):
    for package in PACKAGES:
        (tmp_path / f"{package}.py").write_text("raise ImportError('of somebody else')\n")
    result = run_module(clone / "plugins", tmp_path, product.module, path=[tmp_path])

    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("installed", ["9.9.9", None])
def test_a_copied_plugin_of_another_version_says_so(tmp_path, product, installed):
    plugins = tmp_path / "copied"
    plugins.mkdir()
    shutil.copy(ROOT / "plugins" / f"{product.module.lower()}.py", plugins)
    if installed:
        (tmp_path / "micrograph_networks").mkdir()
        text = f'__version__ = "{installed}"\n'
        (tmp_path / "micrograph_networks" / "__init__.py").write_text(text)
    result = run_module(plugins, tmp_path, product.module, code=PLUGIN_ALONE)

    assert result.returncode != 0
    sentence = f"is of version {__version__} of cellprofiler-tf-modules, but {installed or 'none'}"
    assert sentence in result.stderr
    assert "let CellProfiler's plugins directory be the plugins folder" in result.stderr
