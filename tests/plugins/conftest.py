"""Fixtures for the tests of the modules."""

import zipfile
from pathlib import Path

import imageio
import numpy as np
import pytest
from build_release import build
from cellprofiler_core import preferences
from scipy.ndimage import gaussian_filter
from support import filled

from micrograph_networks.models.weights_file import Weights, write_weights
from segment.classes import BLOOD_CELL, CLASSES, SPIROCHAETE
from segment.inference.dissimilarity import ATTRIBUTE, UsualTextures, texture_attribute
from segment.inference.network import FULL, unet_vgg16
from segment.inference.normalization import MEANS
from segment.simulation.scenes import darkfield_scene

# Before the tests import cellprofiler_core.modules, which loads all modules and plugins.
preferences.set_headless()
preferences.set_plugin_directory(str(Path(__file__).resolve().parent.parent.parent / "plugins"))


@pytest.fixture
def example_images(tmp_path, fly_images):
    """A folder of images for each of two example pipelines, in folders with their names.

    Real images are sharp or blurred, gray or color, with 8, 12, or 16 bits. Dark-field scenes are
    simulated.
    """
    nuclei, actin, other = (fly_images[f"01_POS002_{channel}.TIF"] for channel in "DFR")
    first, second = (darkfield_scene(np.random.default_rng(seed)).image for seed in (2, 3))
    images = {
        "focus_qc.cppipe/8 bits.tif": nuclei,
        "focus_qc.cppipe/12 bits.tif": gaussian_filter(actin.astype(np.uint16) * 16, 2),
        "focus_qc.cppipe/16 bits.png": gaussian_filter(other.astype(np.uint16) * 257, 5),
        "focus_qc.cppipe/color.png": np.dstack([nuclei, actin, other]),
        "darkfield_cells.cppipe/8 bits.png": first,
        "darkfield_cells.cppipe/16 bits.tif": second.astype(np.uint16) * 257,
    }
    for name, image in images.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        imageio.imwrite(tmp_path / name, image)
    return tmp_path


@pytest.fixture(scope="session")
def java():
    """Java in this process, in which CellProfiler 4 checks file names. It can start only once."""
    from cellprofiler_core.utilities.java import start_java, stop_java
    from harness import CELLPROFILER_5

    if CELLPROFILER_5:
        yield
        return
    start_java()
    yield
    stop_java()


@pytest.fixture(scope="session")
def release(tmp_path_factory):
    """The release, unzipped into a folder with a space and an accent in its name."""
    folder = tmp_path_factory.mktemp("release")
    with zipfile.ZipFile(build(folder)) as archive:
        archive.extractall(folder / "é unzipped")
    (unzipped,) = (folder / "é unzipped").iterdir()
    return unzipped


@pytest.fixture(scope="session")
def color_weights(tmp_path_factory):
    """Weights of a dark-field network that classifies by color, at 128 pixels.

    Red and white are blood cell, blue is spirochaete, and dark is background. The encoder's first
    block passes the colors on to the last step of the decoder. All other weights are 0, so every
    image has the same dissimilarity, 2.
    """
    network = unet_vgg16(3)
    layers = filled(network)
    first, skip = range(3), range(32, 35)
    for layer, inputs in (
        ("block1_conv1", first),
        ("block1_conv2", first),
        ("up5_conv1", skip),
        ("up5_conv2", first),
    ):
        layers[layer]["kernel"][1, 1, inputs, first] = 1
    layers["block1_conv1"]["bias"][:3] = MEANS
    blue, red = 0, 2
    layers["classes"]["kernel"][1, 1, red, BLOOD_CELL] = 0.1
    layers["classes"]["kernel"][1, 1, [blue, red], SPIROCHAETE] = 0.1, -0.1
    layers["classes"]["bias"][[BLOOD_CELL, SPIROCHAETE]] = -12.8, -6.4
    count = FULL.encoder[1]
    textures = UsualTextures(np.full(count, 2.0), np.ones(count), limit=1.0)
    attributes = {
        "class_names": CLASSES,
        "working_size": 128,
        "cell_diameter": 20.0,
        ATTRIBUTE: texture_attribute(textures),
    }
    path = tmp_path_factory.mktemp("weights") / "colors.h5"
    write_weights(path, Weights(network.architecture, layers, attributes))
    return path
