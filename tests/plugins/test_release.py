"""The modules in an unzipped release, in parts of one, and in the next one."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from harness import ROOT, run_cellprofiler
from products import FOCUS, PRODUCTS

from micrograph_networks import __version__
from micrograph_networks.images.image_files import write_tiff
from micrograph_networks.models.registry import shipped_models
from micrograph_networks.models.weights_file import Weights, read_weights, write_weights

PACKAGES = ("micrograph_networks", *(product.package for product in PRODUCTS))

RELEASE_ONLY = """
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
except Exception as error:
    print(error)
""".replace("{packages}", repr(PACKAGES))


LISTED = """
import io
import json
import sys

sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder)]
plugins, name, saved = sys.argv[1:]

from cellprofiler_core import preferences

preferences.set_headless()
preferences.set_plugin_directory(plugins)

import cellprofiler_core.modules  # loads all modules and plugins
from cellprofiler_core.pipeline import Pipeline
from cellprofiler_core.setting import ValidationError
from cellprofiler_core.utilities.core.modules import get_module_names, instantiate_module


def loaded(file):
    pipeline.load(file)
    (module,) = (module for module in pipeline.modules() if module.module_name == name)
    return module


pipeline = Pipeline()
assert name in get_module_names()
module = loaded(saved)
pipeline.dump(file := io.StringIO(), save_image_plane_details=False)
file.seek(0)
module = loaded(file)
found = {
    "saved": [setting.unicode_value for setting in module.settings()],
    "revision": module.variable_revision_number,
    "new": [setting.unicode_value for setting in instantiate_module(name).settings()],
}
try:
    module.test_valid(pipeline)
except ValidationError as error:
    found["invalid"] = str(error)
try:
    module.prepare_run(None)
except (AttributeError, ValueError) as error:
    found["refused"] = str(error)
print(json.dumps(found))
"""


@pytest.fixture
def copy(release, tmp_path):
    """A release that a test may change; files that it writes to have to be written anew."""
    return shutil.copytree(release, tmp_path / "copy", copy_function=os.link)


@pytest.fixture(params=PRODUCTS, ids=lambda product: product.module)
def product(request):
    return request.param


def run_module(plugins, folder, *arguments, path=(), code=RELEASE_ONLY):
    """Load and run a module in a process whose path begins with some folders."""
    return subprocess.run(
        [sys.executable, "-c", code, str(plugins), *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_release_without_tensorflow_computes_and_says_what_it_would_take(
    release, tmp_path, product, color_weights
):
    weights = [color_weights] if product.package == "segment" else []
    result = run_module(release / "plugins", tmp_path, product.module, *weights)

    assert result.returncode == 0, result.stderr
    assert re.fullmatch("numpy\nTensorFlow is not installed.*\n", result.stdout)


def test_other_packages_of_the_same_names_do_not_hide_ours(release, tmp_path, product):
    for package in PACKAGES:
        (tmp_path / f"{package}.py").write_text("raise ImportError('of somebody else')\n")
    result = run_module(release / "plugins", tmp_path, product.module, path=[tmp_path])

    assert result.returncode == 0, result.stderr


def listed(folder, product):
    """What CellProfiler knows of a module and of its pipeline, which it has opened and saved."""
    saved = folder / "example_pipelines" / product.pipelines[0]
    result = run_module(folder / "plugins", folder.parent, product.module, saved, code=LISTED)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout.splitlines()[-1])
    pattern = rf"^{product.module}:.*variable_revision_number:(\d+).*\n((?: .*\n)*)"
    revision, settings = re.search(pattern, saved.read_text("utf-8"), re.M).groups()
    # Nothing of a pipeline is lost, whatever is missing.
    assert found["saved"] == [line.split(":", 1)[1] for line in settings.splitlines()]
    assert found["revision"] == int(revision)
    return found


def test_a_whole_release_is_valid(release, product):
    assert "invalid" not in listed(release, product)


@pytest.mark.parametrize("part", ["core", "micrograph_networks", "model_weights/registry.json"])
def test_a_module_without_a_part_of_the_release_is_listed_and_says_so(copy, product, part):
    missing = copy / (product.package if part == "core" else part)
    missing.rename(copy / "elsewhere")
    found = listed(copy, product)
    assert found["invalid"] == found["refused"]
    assert f"{product.module.lower()}.py of version {__version__} is incomplete" in found["refused"]
    assert missing.name in found["refused"]
    assert "the plugins folder of a release that was unzipped as a whole" in found["refused"]


def test_a_module_beside_packages_of_another_version_says_so(copy, product):
    rewrite(copy / "micrograph_networks/__init__.py", __version__, "9.9.9")
    assert "(micrograph_networks has version 9.9.9)" in listed(copy, product)["refused"]


def test_a_module_without_its_weights_is_listed_and_says_so(copy, product):
    name = shipped_models(product.architectures)[-1].name
    for path in (copy / "model_weights").glob("*.h5"):
        path.unlink()
    assert f"{name}.h5 does not exist: unzip the release" in listed(copy, product)["invalid"]


def test_all_modules_stand_in_the_list_in_the_same_way():
    pattern = r"# In a clone.*?raise ImportError|    # Duplicated in.*?run = prepare_run\n"
    texts = [(ROOT / f"plugins/{p.module.lower()}.py").read_text("utf-8") for p in PRODUCTS]
    parts = {tuple(re.findall(pattern, text, re.S)) for text in texts}
    assert [len(found) for found in parts] == [2]


def test_the_next_release_opens_old_pipelines_and_gives_the_same_numbers(
    release, copy, tmp_path, fly_images
):
    for name in (
        "micrograph_networks/__init__",
        *(f"plugins/{p.module.lower()}" for p in PRODUCTS),
    ):
        rewrite(copy / f"{name}.py", __version__, "9.9.9")
    add_model(copy / "model_weights", shipped_models(FOCUS.architectures)[-1].name, "focus_v9")
    old, new = listed(release, FOCUS), listed(copy, FOCUS)
    assert old["saved"] == new["saved"]
    assert set(new["new"]) - set(old["new"]) == {"focus_v9"}

    images, pipeline = tmp_path / "images", release / "example_pipelines" / FOCUS.pipelines[0]
    images.mkdir()
    write_tiff(images / "fly.tif", fly_images["01_POS002_D.TIF"])
    tables = []
    for folder in (release, copy):
        output = tmp_path / f"of {folder.name}"
        run_cellprofiler(pipeline, images, output, plugins=folder / "plugins")
        table = pd.read_csv(output / "FocusQC_Image.csv")
        tables.append(table.filter(like="ImageFocus_").select_dtypes("number"))
    pd.testing.assert_frame_equal(*tables, check_exact=True)
    assert tables[0].shape[1] > 10


def add_model(folder, name, newer):
    """Register a newer model, which has other weights."""
    architecture = json.loads((folder / "registry.json").read_text("utf-8"))[name]["architecture"]
    weights = read_weights(folder / f"{name}.h5", [architecture])
    layers = {
        layer: {name: array + np.float32(0.5) for name, array in arrays.items()}
        for layer, arrays in weights.layers.items()
    }
    path = folder / f"{newer}.h5"
    write_weights(path, Weights(architecture, layers, weights.attributes))
    entries = json.loads((folder / "registry.json").read_text("utf-8"))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    entries[newer] = {**entries[name], "sha256": digest}
    (folder / "registry.json").unlink()
    (folder / "registry.json").write_text(json.dumps(entries), "utf-8")


def rewrite(path, old, new):
    """Replace a text in a file, which then is no link to that of the release any more."""
    text = path.read_text("utf-8")
    assert old in text
    path.unlink()
    path.write_text(text.replace(old, new), "utf-8")
