"""Loaded models, and networks without training, for the tests of several packages."""

import functools
import inspect
import time
from importlib.util import find_spec

import h5py
import numpy as np
import pytest
import tifffile

import focusqual
import focusqual.inference.network
import segment
import segment.inference.network
from micrograph_networks.engines import EngineOptions
from micrograph_networks.models.registry import shipped_models
from micrograph_networks.networks.computing import Arrays
from micrograph_networks.networks.layers import Network, array_shapes
from segment.inference.network import Widths, encoder, unet_vgg16

needs_training = pytest.mark.skipif(find_spec("keras") is None, reason="Keras is not installed")
needs_tensorflow = pytest.mark.skipif(
    find_spec("tensorflow") is None, reason="TensorFlow is not installed"
)

FOCUS_MODELS = shipped_models(focusqual.inference.network.NETWORKS)
CELL_MODELS = shipped_models(segment.inference.network.NETWORKS)
"""Shipped models of each core, from the oldest to the newest."""

focus_model = functools.lru_cache(maxsize=None)(focusqual.load_model)
cell_model = functools.lru_cache(maxsize=None)(segment.load_model)
BFLOAT16 = EngineOptions("tensorflow", bfloat16=True)
NARROW = Widths((8, 8, 16, 16, 16), (16, 8, 8, 8, 8))
"""Few channels, for dark-field networks that are computed and trained fast."""


def until(condition, seconds=60):
    """Wait until a condition is true in the browser."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the page did not change in time"
        time.sleep(0.1)


def measure(image, mask=None, options=focusqual.FocusOptions(), model=None):
    """Measure the focus of an image, with the newest shipped model by default."""
    return focusqual.measure_focus(image, focus_model(model), mask, options)


def filled(network: Network, value=np.zeros) -> Arrays:
    """Return arrays of a network, each made from its shape by ``value``."""
    arrays: Arrays = {}
    for (layer, name), shape in array_shapes(network).items():
        arrays.setdefault(layer, {})[name] = value(shape).astype(np.float32)
    return arrays


def write_encoder(path, rng):
    """Write the dark-field encoder with random kernels that keep the variance (He et al. 2015)."""
    with h5py.File(path, "w") as file:
        for (layer, name), shape in array_shapes(encoder(unet_vgg16(2))).items():
            deviation = np.sqrt(2 / np.prod(shape[:-1])) if name == "kernel" else 0
            file[f"{layer}/{name}"] = rng.normal(0, deviation, shape).astype(np.float16)
    return path


def files_in(folder):
    """Return the paths of all files in a folder, relative to it."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def assert_replaces_only_own_files(run, folder, *command):
    """Assert that a command replaces its files, and refuses each of them if someone else wrote it.

    ``run`` takes the arguments and ``exit_code``, and returns the output. ``folder`` is for output.
    """
    run(*command, "--output", folder / "own")
    names = files_in(folder / "own")
    run(*command, "--output", folder / "own")
    assert files_in(folder / "own") == names
    for number, name in enumerate(sorted(names)):
        other = folder / str(number)
        (other / name).parent.mkdir(parents=True)
        (other / name).write_bytes(b"mine")
        said = run(*command, "--output", other, exit_code=2)
        assert f"{other / name} exists and was not written by '" in said
        assert files_in(other) == {name}
        assert (other / name).read_bytes() == b"mine"


def tiff_resolution(across, down, unit):
    """Return the options of tifffile, old or new, that write a resolution in pixels per unit."""
    if "resolutionunit" in inspect.signature(tifffile.TiffWriter.write).parameters:
        return {"resolution": (across, down), "resolutionunit": unit}
    return {"resolution": (across, down, unit)}
