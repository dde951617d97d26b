import gc
import importlib.util
import shutil
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
from cellprofiler_core import preferences
from cellprofiler_core.constants.measurement import EXPERIMENT
from cellprofiler_core.setting import ValidationError
from cellprofiler_core.setting.subscriber import ImageSubscriber
from cellprofiler_core.utilities.core.modules import instantiate_module
from harness import choose_weights, make_workspace, saved_and_loaded
from products import PRODUCTS
from support import FOCUS_MODELS

from micrograph_networks.errors import UserError
from micrograph_networks.models import loading
from micrograph_networks.models.registry import shipped_models


@pytest.fixture(params=[product.module for product in PRODUCTS])
def name(request):
    return request.param


@pytest.fixture
def weights(name, color_weights, tmp_path):
    """A weights file of its own, which no other test has loaded."""
    source = FOCUS_MODELS[-1].path if name == "MeasureImageFocusQuality" else color_weights
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


def test_weights_are_loaded_once_and_by_a_run_alone(name, weights, read, rng):
    modules = [instantiate_module(name), instantiate_module(name)]
    for module in modules:
        choose_weights(module, weights)
        saved_and_loaded(module).validate_module(None)
        module.visible_settings()
        module.get_measurement_columns(None)
    # The classes of a dark-field model decide on what is measured.
    described = [str(weights)] * (name == "SegmentDarkfieldCells")
    assert read == described
    for module in (*modules, modules[0]):
        run_on_noise(module, rng)
    assert read == [*described, str(weights)]


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


def test_window_loads_the_model_ahead_and_a_run_waits_for_it(name, weights, read, rng):
    module = instantiate_module(name)
    choose_weights(module, weights)
    module.on_activated(None)
    module.on_setting_changed(module.model, None)
    run_on_noise(module, rng)
    assert read == [str(weights)]


def test_a_worker_runs_it_in_a_thread(name, weights, rng):
    module = instantiate_module(name)
    choose_weights(module, weights)
    with ThreadPoolExecutor() as threads:
        threads.submit(run_on_noise, module, rng).result()


def test_window_says_what_is_loaded(name, weights, rng):
    module = instantiate_module(name)
    choose_weights(module, weights)
    said = []

    def callback(operation, progress, message):
        said.append((progress, message))

    preferences.add_progress_callback(callback)
    run_on_noise(module, rng)
    run_on_noise(module, rng)
    preferences.remove_progress_callback(callback)
    assert said == [(0, f"Loading {weights}"), (1, None)]


def test_the_model_chosen_last_is_the_one_of_the_run(name, weights, read, rng, tmp_path):
    module = instantiate_module(name)
    choose_weights(module, weights)
    module.on_activated(None)
    choose_weights(module, shutil.copy(weights, tmp_path / "other.h5"))
    module.on_setting_changed(module.weights_file, None)
    workspace = run_on_noise(module, rng)
    module.prepare_run(workspace)
    (model,) = workspace.measurements.get_feature_names(EXPERIMENT)
    assert workspace.measurements.get_experiment_measurement(model).endswith("other.h5")


def test_a_model_that_cannot_be_loaded_ahead_is_an_error_of_the_run_alone(
    name, rng, tmp_path, recwarn
):
    (tmp_path / "broken.h5").write_bytes(b"no weights")
    module = instantiate_module(name)
    choose_weights(module, tmp_path / "broken.h5")
    module.on_activated(None)
    with pytest.raises(UserError, match=r"broken\.h5 is not a weights file"):
        run_on_noise(module, rng)
    while any(thread.name == "load-ahead" for thread in threading.enumerate()):
        time.sleep(0.01)
    # Of an error in a thread.
    assert not recwarn.list


def test_window_warns_of_a_file_that_a_run_would_refuse(name, weights, tmp_path):
    module = instantiate_module(name)
    module.validate_module_warnings(None)
    choose_weights(module, weights)
    module.validate_module_warnings(None)
    weights.write_bytes(b"no weights")
    with pytest.raises(ValidationError, match="not a weights file") as error:
        module.validate_module_warnings(None)
    assert error.value.get_setting() is module.weights_file
    (other,) = (p for p in PRODUCTS if p.module != name)
    choose_weights(module, shipped_models(other.architectures)[0].path)
    with pytest.raises(ValidationError, match="holds weights of"):
        module.validate_module_warnings(None)


def test_window_warns_of_an_engine_that_is_not_installed(name, monkeypatch):
    module = instantiate_module(name)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    module.engine.value = "numpy"
    module.validate_module_warnings(None)
    module.engine.value = "tensorflow"
    with pytest.raises(ValidationError, match="^TensorFlow is not installed") as error:
        module.validate_module_warnings(None)
    assert error.value.get_setting() is module.engine
