"""Scenarios: what a user does in CellProfiler's window, step by step. See application.py.

A scenario yields a time in ms, or a function to wait for, before its next step.
"""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from application import ROOT
from cellprofiler.gui.addmoduleframe import AddToPipelineEvent
from cellprofiler_core.utilities.core.modules import instantiate_module
from matplotlib.backend_bases import MouseEvent
from PIL import Image

from segment.simulation.scenes import darkfield_scene

PIPELINES = ROOT / "example_pipelines"
EXAMPLES = Path(find_spec("cellprofiler").origin).parent / "data" / "examples"
FLY = EXAMPLES / "ExampleFly" / "images" / "01_POS002_D.TIF"
LARGE = (1400, 1000)
"""Width and height in pixels of a figure that a user has enlarged."""
IMAGES = 12
"""Number of images of the analysis that is stopped halfway."""
FOCUS, DARKFIELD = "MeasureImageFocusQuality", "SegmentDarkfieldCells"


def focus(window):
    """MeasureImageFocusQuality with one image, three images, and all outputs."""
    yield from open_input_modules(window)
    yield from add_images(window, fly_images(window.folder, 1))
    module = yield from add_module(window, FOCUS)
    yield from choose(window, module, module.image_groups[0].image_name, "Image")
    yield from window.photograph(window.frame, "focus_settings")
    window.frame.do_help_module(FOCUS, module.get_help())
    yield from start_test_mode(window)
    yield from step(window, module, "focus")
    figure = window.figures()[FOCUS]
    yield from hover(window, figure, figure.subplot(0, 0), 500, 400)

    yield from stop_test_mode(window)
    for name, sigma in (("Blurred", 3), ("Blurrier", 8)):
        yield from add_blurred(window, name, sigma)
        module.add_image()
        module.image_groups[-1].image_name.value = name
    yield from start_test_mode(window)
    for blurring in window.modules("GaussianFilter"):
        yield from step(window, blurring)
    yield from step(window, module, "focus_three")

    yield from switch_all_on(window, module)
    yield from choose(window, module, module.stride, "42")
    window.seen["stride"] = yield from warned(window, module.stride)
    yield from step(window, module, "focus_all")
    yield from keep_and_reopen(window)


def darkfield(window):
    """SegmentDarkfieldCells from the example pipeline, and with all outputs."""
    window.controller.do_load_pipeline(str(PIPELINES / "darkfield_cells.cppipe"))
    yield 500
    yield from add_images(window, draw_scenes(window.folder, 1))
    (module,) = window.modules(DARKFIELD)
    window.seen["eyes"] = [m.module_name for m in window.pipeline.modules() if m.show_window]
    window.pipeline.show_module_window(module, True)
    yield from show(window, module)
    yield from window.photograph(window.frame, "darkfield_settings")
    window.frame.do_help_module(DARKFIELD, module.get_help())
    yield from start_test_mode(window)
    yield from step(window, module, "darkfield")

    yield from switch_all_on(window, module)
    yield from choose(window, module, module.cell_diameter_choice, "Enter a value")
    yield from choose(window, module, module.cell_diameter, "2")
    window.seen["diameter"] = yield from warned(window, module.cell_diameter)
    yield from choose(window, module, module.cell_diameter, "60")
    yield from step(window, module, "darkfield_all")
    yield from keep_and_reopen(window)


def mistakes(window):
    """Warnings and errors for unusable weights and an engine that is not installed."""
    yield from open_input_modules(window)
    yield from add_images(window, fly_images(window.folder, 1))
    (window.folder / "broken.h5").write_bytes(b"no weights")
    for name in (FOCUS, DARKFIELD):
        module = yield from add_module(window, name)
        image = module.image_groups[0].image_name if name == FOCUS else module.x_name
        yield from choose(window, module, image, "Image")
        seen = window.seen[name] = {"right": window.tooltip(module.model)}
        yield from choose(window, module, module.engine, "tensorflow")
        seen["engine"] = yield from warned(window, module.engine)
        yield from start_test_mode(window)
        yield from step(window, module)
        yield from stop_test_mode(window)
        yield from choose(window, module, module.engine, "automatic")
        yield from choose(window, module, module.model, "Custom model")
        module.weights_directory.join_parts("Elsewhere...", str(window.folder))
        yield from choose(window, module, module.weights_file, "absent.h5")
        seen["absent"] = yield from warned(window, module.weights_file)
        yield from choose(window, module, module.weights_file, "broken.h5")
        seen["broken"] = yield from warned(window, module.weights_file)
        yield from start_test_mode(window)
        yield from step(window, module)
        yield from stop_test_mode(window)


def analysis(window):
    """Analyze Images with two workers: stopped halfway, then to the end."""
    window.controller.do_load_pipeline(str(PIPELINES / "focus_qc.cppipe"))
    yield 500
    yield from add_images(window, fly_images(window.folder, IMAGES))
    annotated = lambda: len(list(window.folder.rglob("*focus*.png")))  # noqa: E731
    window.controller.do_analyze_images()
    yield lambda: annotated() > 0
    window.controller.on_stop_running(None)
    yield lambda: not window.controller.is_running()
    window.seen["stopped_after"] = annotated()
    yield 2000
    window.controller.do_analyze_images()
    yield lambda: not window.controller.is_running()
    window.seen["figures"] = list(window.figures())
    yield from keep_and_reopen(window)


def add_images(window, paths):
    """Drop files onto the list of the Images module."""
    window.controller.add_paths_to_pathlist([str(path) for path in paths])
    yield 500


def fly_images(folder, count):
    """Copy an example image of CellProfiler, because Images skips those in hidden folders."""
    images = folder / "images"
    images.mkdir()
    paths = [images / f"{number}.tif" for number in range(count)]
    for path in paths:
        shutil.copy(FLY, path)
    return paths


def draw_scenes(folder, count):
    """Draw dark-field scenes into files."""
    paths = [folder / f"scene_{number}.png" for number in range(count)]
    for number, path in enumerate(paths):
        Image.fromarray(darkfield_scene(np.random.default_rng(4 + number)).image).save(path)
    return paths


def open_input_modules(window):
    """Open an example pipeline and keep only its input modules, which name images Image."""
    window.controller.do_load_pipeline(str(PIPELINES / "focus_qc.cppipe"))
    yield 500
    for module in reversed(window.pipeline.modules(exclude_disabled=False)):
        if not module.is_input_module():
            window.pipeline.remove_module(module.module_num)
    yield 300


def add_module(window, name):
    """Add a module as the list of modules does, and show its settings."""

    def loader(number):
        module = instantiate_module(name)
        module.set_module_num(number)
        return module

    window.controller.on_add_to_pipeline(None, AddToPipelineEvent(name, loader))
    yield 500
    module = window.modules(name)[-1]
    yield from show(window, module)
    return module


def add_blurred(window, name, sigma):
    """Add a module before the others that blurs the image named Image."""
    module = instantiate_module("GaussianFilter")
    module.x_name.value, module.y_name.value, module.sigma.value = "Image", name, sigma
    module.set_module_num(5)
    module.show_window = False
    window.pipeline.add_module(module)
    yield 300


def show(window, module):
    """Select a module in the list."""
    window.frame.pipeline_list_view.select_one_module(module.module_num)
    yield 1500


def choose(window, module, setting, value):
    """Enter a value, as the control of a setting does, and let the window check it."""
    yield from show(window, module)
    window.frame.module_view.on_value_change(setting, None, value, None)
    yield 2500


def warned(window, setting):
    """Wait until the window marks a setting, and return its message."""
    yield lambda: window.tooltip(setting)
    return window.tooltip(setting)


def switch_all_on(window, module):
    """Answer Yes for all optional outputs."""
    groups = getattr(module, "image_groups", None) or module.groups
    for group in groups:
        for name, setting in vars(group).items():
            if name.startswith("wants_"):
                setting.value = True
    window.pipeline.edit_module(module.module_num, False)
    yield 500


def start_test_mode(window):
    """Press Start Test Mode."""
    assert window.controller.start_debugging()
    yield 300


def stop_test_mode(window):
    """Press Exit Test Mode."""
    window.controller.stop_debugging()
    yield 300


def step(window, module, name=None):
    """Run a module in test mode, and record its figure under a name, if given."""
    window.controller.do_step(module)
    yield 800
    if name:
        figure = window.figures()[module.module_name]
        window.seen[name] = {
            "titles": [axes.get_title() for axes in figure.figure.axes if axes.get_title()],
            "table": figure.table,
            "grid": window.cells_of_grid(figure),
        }
        figure.SetClientSize(640, 480)
        yield 800
        yield from window.photograph(figure, name)
        figure.SetClientSize(*LARGE)
        yield 800
        yield from window.photograph(figure, f"{name}_large")


def hover(window, figure, axes, x, y):
    """Move the mouse over a point of an image, and read the status bar."""
    canvas = figure.figure.canvas
    place = axes.transData.transform((x, y))
    event = MouseEvent("motion_notify_event", canvas, *place)
    canvas.callbacks.process(event.name, event)
    bar = figure.status_bar
    window.seen["status_bar"] = [bar.GetStatusText(i) for i in range(bar.GetFieldsCount())]
    yield 100


def keep_and_reopen(window):
    """Save the project, open it again, and compare the settings of all modules."""

    def settings():
        return [[s.unicode_value for s in m.settings()] for m in window.pipeline.modules()]

    before, path = settings(), window.folder / "project.cpproj"
    window.controller.do_save_workspace(str(path))
    yield 500
    window.controller.do_open_workspace(str(path))
    yield 1500
    window.seen["reopened_alike"] = json.dumps(settings()) == json.dumps(before)
