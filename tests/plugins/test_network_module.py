"""Test what both modules have from NetworkModule: settings, models, and errors."""

import dataclasses
import gc
import importlib.util
import os
import re
import shutil
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from cellprofiler_core import preferences
from cellprofiler_core.constants.measurement import EXPERIMENT, IMAGE
from cellprofiler_core.pipeline import Pipeline
from cellprofiler_core.setting import Binary, HiddenCount, ValidationError
from cellprofiler_core.setting.do_something import DoSomething
from cellprofiler_core.setting.subscriber import ImageSubscriber
from cellprofiler_core.setting.text import Float
from cellprofiler_core.setting.text.alphanumeric.name import Name
from cellprofiler_core.utilities.core.modules import instantiate_module
from harness import (
    assert_help_is_valid_markup,
    choose_weights,
    make_workspace,
    refusal_of_volumes,
    saved_and_loaded,
)
from products import PRODUCTS
from support import CELL_MODELS, FOCUS_MODELS

from focusqual import FocusOptions
from micrograph_networks.engines import EngineOptions
from micrograph_networks.errors import UserError
from micrograph_networks.models import loading
from micrograph_networks.models.registry import shipped_models
from segment import SegmentationOptions

FOCUS, DARKFIELD = (product.module for product in PRODUCTS)


@pytest.fixture(params=[FOCUS, DARKFIELD])
def name(request):
    return request.param


@pytest.fixture
def weights(name, color_weights, tmp_path):
    """A weights file that no other test has loaded."""
    source = FOCUS_MODELS[-1].path if name == FOCUS else color_weights
    return shutil.copy(source, tmp_path / "weights.h5")


@pytest.fixture
def module(name, weights):
    """A new module with its own weights file."""
    module = instantiate_module(name)
    choose_weights(module, weights)
    return module


@pytest.fixture
def read(monkeypatch):
    """Paths of the weights files that are read, one entry each time."""
    paths = []

    def parse_weights(content, path, networks, original=loading.parse_weights):
        paths.append(str(path))
        return original(content, path, networks)

    monkeypatch.setattr(loading, "parse_weights", parse_weights)
    return paths


def run_on(module, pixels):
    """Run a module on an image, and return the workspace."""
    (wanted,) = {s.value for s in module.settings() if isinstance(s, ImageSubscriber)}
    workspace = make_workspace(module, {wanted: pixels})
    module.run(workspace)
    return workspace


def run_on_noise(module, rng):
    return run_on(module, rng.random((128, 128)))


def core_options(module):
    settings = module.focus_options if module.module_name == FOCUS else module.segmentation_options
    return settings.options()


def add_group(module):
    if module.module_name == FOCUS:
        module.add_image()
        module.image_groups[1].image_name.value = "Other"
    else:
        module.add_next_class()


# Settings


@pytest.mark.parametrize(
    "name, options, models",
    [(FOCUS, FocusOptions(), FOCUS_MODELS), (DARKFIELD, SegmentationOptions(), CELL_MODELS)],
)
def test_default_settings_are_those_of_the_core(name, options, models):
    module = instantiate_module(name)
    saved = [setting.unicode_value for setting in module.settings()]
    # A saved pipeline may lack options that were added later.
    module.set_settings_from_values(saved[:-1], 1, name)
    assert core_options(module) == options
    assert module.engine_options.options() == EngineOptions()
    assert module.chosen_model() == models[-1].name


def test_each_saved_setting_has_help_in_valid_markup(module):
    assert_help_is_valid_markup(module)
    add_group(module)
    helped = {setting.text for setting in module.help_settings()}
    saved = {s.text for s in module.settings() if not isinstance(s, HiddenCount)}
    assert helped == saved


def test_settings_survive_a_saved_pipeline(module):
    add_group(module)
    for setting in module.settings():
        if isinstance(setting, Binary):
            setting.value = not setting.value
    copy = saved_and_loaded(module)
    assert core_options(copy) == core_options(module)
    assert copy.engine_options.options() == EngineOptions(bfloat16=True)
    assert copy.chosen_model() == module.chosen_model()
    assert len(copy.settings()) > len(instantiate_module(module.module_name).settings())


def test_settings_of_an_earlier_revision_are_upgraded(module):
    class NextRevision(type(module)):
        """A module whose revision 2 no longer saves the last setting of revision 1."""

        variable_revision_number = 2

        def upgrade_settings(self, setting_values, variable_revision_number, module_name):
            if variable_revision_number == 1:
                setting_values, variable_revision_number = setting_values[:-1], 2
            return setting_values, variable_revision_number

    upgraded = NextRevision()
    assert module.variable_revision_number == 1
    module.engine.value = "numpy"
    saved = [setting.unicode_value for setting in module.settings()]
    upgraded.set_settings_from_values([*saved, "Removed"], 1, module.module_name)
    assert [setting.unicode_value for setting in upgraded.settings()] == saved


@pytest.mark.parametrize("count", ["1000000000", "21", "0", "-1", "", "many", "1.5", "\u0663"])
def test_a_damaged_number_of_groups_is_refused_in_a_sentence(name, count):
    module = instantiate_module(name)
    saved = [setting.unicode_value for setting in module.settings()]
    (position,) = (i for i, s in enumerate(module.settings()) if isinstance(s, HiddenCount))
    saved[position] = count
    what = "images" if name == FOCUS else "classes"
    with pytest.raises(ValueError, match=f"^'{count[:20]}' is not a number of {what} from 1 to 20"):
        module.set_settings_from_values(saved * 500, 1, name)
    assert len(module.settings()) == len(saved)


@pytest.mark.parametrize("text", ["nan", "inf", "", "many"])
def test_settings_of_numbers_take_numbers_only(name, text):
    module = instantiate_module(name)
    numbers = [setting for setting in module.settings() if isinstance(setting, Float)]
    assert len(numbers) >= 4
    for setting in numbers:
        setting.test_valid(None)
        setting.value_text = text
        with pytest.raises(ValidationError):
            setting.test_valid(None)


def test_choices_that_do_not_exist_are_refused():
    module = instantiate_module(FOCUS)
    module.rescaling.value_text = "no choice"
    assert module.rescaling in module.visible_settings()
    with pytest.raises(ValidationError, match="no choice"):
        module.rescaling.test_valid(None)


def test_groups_are_offered_up_to_a_limit(module):
    add = module.add_image if module.module_name == FOCUS else module.add_next_class
    buttons = []
    for _ in range(19):
        add()
        buttons.append(sum(isinstance(s, DoSomething) for s in module.visible_settings()))
    # A button to remove each group but the first, and, below the limit, one to add another.
    assert buttons == [*range(2, 20), 19]
    assert len(saved_and_loaded(module).settings()) == len(module.settings())


def test_default_names_differ_after_a_group_is_removed(module):
    groups = module.image_groups if module.module_name == FOCUS else module.groups
    for _ in range(3):
        add_group(module)
    groups[1].remover.on_event_fired()
    add_group(module)
    names = [s.value for s in module.settings() if isinstance(s, Name)]
    assert len(set(names)) == len(names)


# Pipelines with two modules


def pipeline_of(*modules):
    pipeline = Pipeline()
    for number, module in enumerate(modules, 1):
        module.set_module_num(number)
        pipeline.add_module(module)
    return pipeline


def test_measurements_of_an_earlier_module_are_not_overwritten(name):
    first, second = (instantiate_module(name) for _ in range(2))
    pipeline = pipeline_of(first, second)
    first.validate_module(pipeline)
    made = "ImageFocus_Model_None" if name == FOCUS else "BloodCells"
    sentence = f"^{made} is already made by {name}, module 1, and would be overwritten"
    with pytest.raises(ValidationError, match=sentence) as error:
        second.validate_module(pipeline)
    blamed = second.image_groups[0].image_name if name == FOCUS else second.groups[0].objects_name
    assert error.value.get_setting() is blamed
    blamed.value = "Other"
    second.validate_module(pipeline)


@pytest.mark.parametrize("wanted, made", [("patches", "Cells"), ("level_image", "DNA")])
def test_images_and_objects_of_earlier_modules_are_not_overwritten(wanted, made):
    first = instantiate_module("IdentifyPrimaryObjects")
    first.y_name.value = "Cells"
    crop = instantiate_module("Crop")
    crop.cropped_image_name.value = "DNA"
    module = instantiate_module(FOCUS)
    pipeline = pipeline_of(first, crop, module)
    (group,) = module.image_groups
    getattr(group, f"{wanted}_name").value = made
    module.validate_module(pipeline)  # the name is not used
    getattr(group, f"wants_{wanted}").value = True
    with pytest.raises(ValidationError, match=f"^{made} is already made by") as error:
        module.validate_module(pipeline)
    assert error.value.get_setting() is getattr(group, f"{wanted}_name")


def test_weights_folder_follows_the_file_browser_and_the_cluster(module, tmp_path):
    module.weights_file.set_directory_fn(str(tmp_path))
    assert module.weights_file.get_directory_fn() == str(tmp_path)
    module.prepare_to_create_batch(None, lambda path, regexp_substitution: "/cluster/weights")
    assert module.weights_directory.get_absolute_path() == "/cluster/weights"


# Models


def test_weights_are_read_once_and_only_by_a_run(name, weights, read, rng):
    modules = [instantiate_module(name), instantiate_module(name)]
    for module in modules:
        choose_weights(module, weights)
        saved_and_loaded(module).validate_module(None)
        module.visible_settings()
        module.get_measurement_columns(None)
    # The classes of a dark-field model determine what is measured.
    described = [str(weights)] if name == DARKFIELD else []
    assert read == described
    for module in (*modules, modules[0]):
        run_on_noise(module, rng)
    assert read == [*described, str(weights)]


def test_weights_replaced_within_the_same_time_stamp_are_loaded_again(module, weights, read, rng):
    run_on_noise(module, rng)
    status, count = weights.stat(), len(read)
    for replace in (
        lambda: weights.write_bytes(weights.read_bytes()),
        lambda: os.replace(shutil.copy(weights, f"{weights}.new"), weights),
    ):
        replace()
        os.utime(weights, ns=(status.st_atime_ns, status.st_mtime_ns))
        run_on_noise(module, rng)
        assert len(read) > count
        count = len(read)
    run_on_noise(module, rng)
    assert len(read) == count


def test_an_image_set_is_freed_when_the_next_one_has_run(module, rng):
    workspaces = []
    gc.disable()
    try:
        for _ in range(3):
            workspaces.append(weakref.ref(run_on_noise(module, rng)))
    finally:
        gc.enable()
    assert [workspace() is None for workspace in workspaces] == [True, True, False]


def test_window_loads_the_model_ahead_and_a_worker_waits_for_it(module, weights, read, rng):
    module.on_activated(None)
    module.on_setting_changed(module.model, None)
    with ThreadPoolExecutor() as threads:  # as in a worker
        threads.submit(run_on_noise, module, rng).result()
    assert read == [str(weights)]


def test_window_shows_that_the_model_is_being_loaded(module, weights, rng):
    shown = []

    def callback(operation, progress, message):
        shown.append((progress, message))

    preferences.add_progress_callback(callback)
    run_on_noise(module, rng)
    run_on_noise(module, rng)
    preferences.remove_progress_callback(callback)
    assert shown == [(0, f"Loading {weights}"), (1, None)]


def test_a_run_uses_and_records_the_model_chosen_last(module, weights, rng, tmp_path):
    module.on_activated(None)
    choose_weights(module, shutil.copy(weights, tmp_path / "other.h5"))
    module.on_setting_changed(module.weights_file, None)
    workspace = run_on_noise(module, rng)
    module.prepare_run(workspace)
    (feature,) = workspace.measurements.get_feature_names(EXPERIMENT)
    recorded = workspace.measurements.get_experiment_measurement(feature)
    assert recorded == str(tmp_path / "other.h5")


# Errors


def test_missing_and_damaged_weights(module, weights, rng, recwarn):
    module.validate_module(None)
    module.validate_module_warnings(None)
    weights.write_bytes(b"no weights")
    module.validate_module(None)  # does not read the file
    with pytest.raises(ValidationError, match="not a weights file") as error:
        module.validate_module_warnings(None)
    assert error.value.get_setting() is module.weights_file
    module.on_activated(None)
    with pytest.raises(UserError, match=r"^/.*weights\.h5 is not a weights file"):
        run_on_noise(module, rng)
    while any(thread.name == "load-ahead" for thread in threading.enumerate()):
        time.sleep(0.01)
    assert not recwarn.list  # of an error in that thread
    weights.unlink()
    with pytest.raises(ValidationError, match=r"weights\.h5 does not exist") as error:
        module.validate_module(None)
    assert error.value.get_setting() is module.weights_file


def test_settings_that_a_run_refuses_do_not_disturb_the_window(module):
    for setting, value in ((module.engine, "other"), (module.weights_file, "long" * 100)):
        setting.value = value
        module.on_activated(None)
        module.on_setting_changed(setting, None)
        assert [one.value_text for one in module.visible_settings()]
        module.get_measurement_columns(None)
        with pytest.raises(ValidationError, match="must be one of|does not exist"):
            module.validate_module(None)
            module.validate_module_warnings(None)


def test_python_waits_at_its_end_for_a_model_that_is_loaded_ahead(module):
    loaded = threading.Event()
    module.core = dataclasses.replace(module.core, load_model=lambda *_: loaded.wait(60))
    module.on_activated(None)
    (thread,) = (one for one in threading.enumerate() if one.name == "load-ahead")
    assert not thread.daemon
    loaded.set()
    thread.join()


def test_weights_of_another_network_are_refused(name, module, rng):
    (other,) = (product for product in PRODUCTS if product.module != name)
    choose_weights(module, shipped_models(other.architectures)[-1].path)
    with pytest.raises(ValidationError, match="holds weights of"):
        module.validate_module_warnings(None)
    with pytest.raises(UserError, match=r"^/.*\.h5 holds weights of"):
        run_on_noise(module, rng)


def test_an_engine_that_is_not_installed_gives_a_warning(module, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    module.engine.value = "numpy"
    module.validate_module_warnings(None)
    module.engine.value = "tensorflow"
    with pytest.raises(ValidationError, match="^TensorFlow is not installed") as error:
        module.validate_module_warnings(None)
    assert error.value.get_setting() is module.engine


@pytest.mark.parametrize("shape", [(100, 100, 5), (5, 100, 100)])
def test_stacks_and_many_channels_are_refused_in_a_sentence(module, shape):
    with pytest.raises(UserError, match="^None: .*neither gray nor color") as error:
        run_on(module, np.zeros(shape))
    assert error.value.__suppress_context__  # CellProfiler shows only this sentence


def test_cellprofiler_refuses_volumes(module):
    assert not module.volumetric()
    message = refusal_of_volumes(make_workspace(module, {}))
    assert re.search(rf"do not support 3D processing:\s*{module.module_name}", message)


def test_other_objects_and_categories_have_no_measurements(module):
    assert module.get_categories(None, "Nuclei") == []
    assert module.get_measurements(None, "Nuclei", module.measurement_category) == []
    assert module.get_measurements(None, IMAGE, "Intensity") == []
    assert module.get_measurement_images(None, IMAGE, "Intensity", "Score") == []
