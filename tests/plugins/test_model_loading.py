import gc
import shutil
import weakref

import pytest
from cellprofiler_core.setting.subscriber import ImageSubscriber
from cellprofiler_core.utilities.core.modules import instantiate_module
from harness import ROOT, choose_weights, make_workspace, saved_and_loaded

from micrograph_networks.models import loading
from micrograph_networks.products import PRODUCTS


@pytest.fixture(params=[product.module for product in PRODUCTS])
def name(request):
    return request.param


@pytest.fixture
def weights(name, colour_weights, tmp_path):
    """A weights file of its own, which no other test has loaded."""
    shipped = ROOT / "model_weights" / "focus_v1.h5"
    source = shipped if name == "MeasureImageFocusQuality" else colour_weights
    return shutil.copy(source, tmp_path / "weights.h5")


@pytest.fixture
def read(monkeypatch):
    """The weights files that were read, one entry each time."""
    paths = []

    def read_weights(path, architectures, original=loading.read_weights):
        paths.append(str(path))
        return original(path, architectures)

    monkeypatch.setattr(loading, "read_weights", read_weights)
    return paths


def run_on_noise(module, rng):
    """Run a module with a workspace of its own, and return that."""
    (wanted,) = {s.value for s in module.settings() if isinstance(s, ImageSubscriber)}
    workspace = make_workspace(module, {wanted: rng.random((128, 128))})
    module.run(workspace)
    return workspace


def test_weights_are_read_once_and_by_a_run_alone(name, weights, read, rng):
    modules = [instantiate_module(name), instantiate_module(name)]
    for module in modules:
        choose_weights(module, weights)
        saved_and_loaded(module).validate_module(None)
        module.visible_settings()
        module.get_measurement_columns(None)
    assert read == []
    for module in (*modules, modules[0]):
        run_on_noise(module, rng)
    assert read == [str(weights)]


def test_an_image_set_is_freed_when_the_next_one_has_run(name, weights, rng):
    module = instantiate_module(name)
    choose_weights(module, weights)
    workspaces = []
    gc.disable()
    try:
        for _ in range(3):
            workspaces.append(weakref.ref(run_on_noise(module, rng)))
    finally:
        gc.enable()
    assert [workspace() is None for workspace in workspaces] == [True, True, False]
