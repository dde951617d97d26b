import zipfile
from pathlib import Path

import pytest
from build_release import build
from cellprofiler_core import preferences
from support import filled

from micrograph_networks.models.weights_file import Weights, write_weights
from segment.classes import BLOOD_CELL, CLASSES, SPIROCHAETE
from segment.inference.network import unet_vgg16
from segment.inference.normalization import MEANS

# cellprofiler_core.modules loads all modules and plugins when it is imported, as the tests do next.
preferences.set_headless()
preferences.set_plugin_directory(str(Path(__file__).resolve().parent.parent.parent / "plugins"))


@pytest.fixture(scope="session")
def java():
    """Java in this process: CellProfiler 4 checks names of files in it. It starts only once."""
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
    """The release, unzipped in a folder with a space and an accent in its name."""
    folder = tmp_path_factory.mktemp("release")
    with zipfile.ZipFile(build(folder)) as archive:
        archive.extractall(folder / "é unzipped")
    (unzipped,) = (folder / "é unzipped").iterdir()
    return unzipped


@pytest.fixture(scope="session")
def color_weights(tmp_path_factory):
    """A weights file of a dark-field network that goes by color, at 128 pixels.

    Red and white are blood cell, blue is spirochaete, dark is background. The encoder's first block
    passes the colors on, the last step of the decoder takes them from there, and all else is 0.
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
    attributes = {"class_names": CLASSES, "working_size": 128, "cell_diameter": 20.0}
    path = tmp_path_factory.mktemp("weights") / "colors.h5"
    write_weights(path, Weights(network.architecture, layers, attributes))
    return path
