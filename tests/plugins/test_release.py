"""Test the modules in an unzipped release, in an incomplete one, and in the next one."""

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
from support import FOCUS_MODELS, measure

from micrograph_networks import __version__
from micrograph_networks.images.image_files import write_tiff
from micrograph_networks.models.weights_file import Weights, read_weights, write_weights

PACKAGES = ("micrograph_networks", *(product.package for product in PRODUCTS))
PLUGINS = [f"plugins/{product.module.lower()}.py" for product in PRODUCTS]

RUN = """
import sys
from pathlib import Path

plugins, name, *weights = sys.argv[1:]
# The CellProfiler application has none of these, and this project is not installed into it.
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
"""Program that runs a module without TensorFlow and then asks for TensorFlow."""

LIST = """
import io
import json
import sys

sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder)]
plugins, *arguments = sys.argv[1:]

from cellprofiler_core import preferences

preferences.set_headless()
preferences.set_plugin_directory(plugins)

import cellprofiler_core.modules  # loads all modules and plugins
from cellprofiler_core.pipeline import Pipeline
from cellprofiler_core.setting import ValidationError
from cellprofiler_core.utilities.core.modules import get_module_names, instantiate_module

listed = {}
for name, saved in zip(arguments[::2], arguments[1::2]):
    assert name in get_module_names()
    pipeline, file = Pipeline(), io.StringIO()
    pipeline.load(saved)
    pipeline.dump(file, save_image_plane_details=False)
    file.seek(0)
    pipeline.load(file)
    (module,) = (module for module in pipeline.modules() if module.module_name == name)
    found = listed[name] = {
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
print(json.dumps(listed))
"""
"""Program that loads, saves and loads pipelines, and prints what became of the modules."""


@pytest.fixture
def copy(release, tmp_path):
    """A release of hard links. Unlink a file before you write it."""
    return shutil.copytree(release, tmp_path / "copy", copy_function=os.link)


@pytest.fixture(scope="module")
def whole(release):
    """What CellProfiler knows of the modules of the release."""
    return listed(release)


def run_program(code, plugins, folder, *arguments, path=()):
    return subprocess.run(
        [sys.executable, "-c", code, str(plugins), *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))},
        capture_output=True,
        text=True,
        timeout=120,
    )


def listed(folder):
    """Return by module what CellProfiler knows of it, after it opened and saved a pipeline."""
    pipelines = {p.module: folder / "example_pipelines" / p.pipelines[0] for p in PRODUCTS}
    arguments = [word for pair in pipelines.items() for word in pair]
    result = run_program(LIST, folder / "plugins", folder.parent, *arguments)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout.splitlines()[-1])
    for name, saved in pipelines.items():
        pattern = rf"^{name}:.*variable_revision_number:(\d+).*\n((?: .*\n)*)"
        revision, settings = re.search(pattern, saved.read_text("utf-8"), re.M).groups()
        # A pipeline loses nothing, whatever is missing.
        assert found[name]["saved"] == [s.split(":", 1)[1] for s in settings.splitlines()]
        assert found[name]["revision"] == int(revision)
    return found


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.module)
def test_release_computes_without_tensorflow_and_beside_packages_of_the_same_names(
    release, tmp_path, product, color_weights
):
    for package in PACKAGES:
        (tmp_path / f"{package}.py").write_text("raise ImportError('of somebody else')\n")
    weights = [color_weights] if product.package == "segment" else []
    arguments = (product.module, *weights)
    result = run_program(RUN, release / "plugins", tmp_path, *arguments, path=[tmp_path])

    assert result.returncode == 0, result.stderr
    assert re.fullmatch("numpy\nTensorFlow is not installed.*\n", result.stdout)


def test_modules_of_a_whole_release_are_valid(whole):
    assert not any("invalid" in found for found in whole.values())


@pytest.mark.parametrize(
    "part", ["focusqual", "micrograph_networks", "model_weights/registry.json", "version"]
)
def test_modules_of_an_incomplete_release_are_listed_and_explain_it(copy, part):
    reason = part.split("/")[-1]
    if part == "version":
        rewrite(copy / "micrograph_networks/__init__.py", __version__, "9.9.9")
        reason = "(micrograph_networks has version 9.9.9)"
    else:
        (copy / part).rename(copy / "elsewhere")
    found = listed(copy)
    if part == "focusqual":
        assert "invalid" not in found.pop("SegmentDarkfieldCells")
    for name, one in found.items():
        assert one["invalid"] == one["refused"]
        assert f"{name.lower()}.py of version {__version__} is incomplete" in one["refused"]
        assert reason in one["refused"]
        assert "the plugins folder of a release that was unzipped as a whole" in one["refused"]


def test_modules_without_their_weights_are_listed_and_explain_it(copy):
    for path in (copy / "model_weights").glob("*.h5"):
        path.unlink()
    for found in listed(copy).values():
        assert re.search(r"\.h5 does not exist: unzip the release", found["invalid"])


def test_plugins_have_the_same_lines_for_an_incomplete_release():
    pattern = r"# In a clone.*?raise ImportError|    # Duplicated in.*?run = prepare_run\n"
    texts = [(ROOT / plugin).read_text("utf-8") for plugin in PLUGINS]
    parts = {tuple(re.findall(pattern, text, re.S)) for text in texts}
    assert [len(found) for found in parts] == [2]


def test_pipelines_keep_their_model_and_numbers_in_the_next_release(
    whole, copy, tmp_path, fly_images
):
    for name in ("micrograph_networks/__init__.py", *PLUGINS):
        rewrite(copy / name, __version__, "9.9.9")
    add_model(copy / "model_weights", FOCUS_MODELS[-1].name, "focus_v9")
    old, new = whole[FOCUS.module], listed(copy)[FOCUS.module]
    assert old["saved"] == new["saved"]
    assert set(new["new"]) - set(old["new"]) == {"focus_v9"}

    images, image = tmp_path / "images", fly_images["01_POS002_D.TIF"]
    images.mkdir()
    write_tiff(images / "fly.tif", image)
    pipeline = copy / "example_pipelines" / FOCUS.pipelines[0]
    run_cellprofiler(pipeline, images, tmp_path / "out", plugins=copy / "plugins")
    (row,) = pd.read_csv(tmp_path / "out" / "FocusQC_Image.csv").to_dict("records")
    expected = measure(image, model=FOCUS_MODELS[-1].name).summary
    for feature, name in (("Score", "score"), ("ExpectedLevel", "expected_level")):
        assert row[f"ImageFocus_{feature}_Image"] == pytest.approx(expected[name], rel=1e-4)


def add_model(folder, name, newer):
    """Register a newer model with other weights."""
    entries = json.loads((folder / "registry.json").read_text("utf-8"))
    weights = read_weights(folder / f"{name}.h5", FOCUS.networks)
    layers = {
        layer: {name: array + np.float32(0.5) for name, array in arrays.items()}
        for layer, arrays in weights.layers.items()
    }
    path = folder / f"{newer}.h5"
    write_weights(path, Weights(weights.architecture, layers, weights.attributes))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    entries[newer] = {**entries[name], "sha256": digest}
    (folder / "registry.json").unlink()
    (folder / "registry.json").write_text(json.dumps(entries), "utf-8")


def rewrite(path, old, new):
    """Replace a text in a file, which is then no longer a hard link."""
    text = path.read_text("utf-8")
    assert old in text
    path.unlink()
    path.write_text(text.replace(old, new), "utf-8")
