"""Images and pipelines for CellProfiler, shared by memory.py, workers.py and startup.py."""

import logging
import sys
from pathlib import Path

import numpy as np
from cellprofiler_core import preferences
from cellprofiler_core.pipeline import Pipeline

from micrograph_networks.cellprofiler.settings import ENTERED
from micrograph_networks.engines import AUTOMATIC
from micrograph_networks.images.image_files import write_png
from micrograph_networks.models.loading import read_network
from segment.inference.network import NETWORKS
from segment.simulation.scenes import darkfield_scene

sys.path.append(str(Path(__file__).resolve().parent.parent / "example_pipelines"))

from runner import PIPELINES, ROOT, cellprofiler_steps

logging.disable(logging.WARNING)  # CellProfiler warns of a database that is not needed
preferences.set_headless()
preferences.set_plugin_directory(str(ROOT / "plugins"), globally=False)

EXAMPLES = {
    "MeasureImageFocusQuality": "focus_qc.cppipe",
    "SegmentDarkfieldCells": "darkfield_cells.cppipe",
}
"""Our modules, and example pipelines that have one of them each."""
OURS = tuple(EXAMPLES)
INPUT = ("Images", "Metadata", "NamesAndTypes", "Groups")
LAST = "ExportToSpreadsheet"
SCENES = 20
SCENE = (480, 640)


def write_images(folder, count, size):
    """Write different dark-field images, crops of generated scenes.

    Parameters
    ----------
    folder : Path
        New folder.
    count : int
        Number of images.
    size : int
        Height and width in pixels.
    """
    folder.mkdir()
    scenes = [darkfield_scene(np.random.default_rng(seed), SCENE).image for seed in range(SCENES)]
    rng = np.random.default_rng(0)
    for number in range(count):
        top, left = rng.integers(0, np.subtract(SCENE, size) + 1)
        crop = scenes[number % SCENES][top : top + size, left : left + size]
        write_png(folder / f"{number:05}.png", crop)


def write_pipeline(path, names, scale=1.0, engine=AUTOMATIC):
    """Write a pipeline that reads color images, runs some of our modules, and exports everything.

    Parameters
    ----------
    path : Path
    names : sequence of str
        Some of OURS.
    scale : float
        Scale at which the dark-field network sees the images.
    engine : str
        AUTOMATIC or one of ENGINE_NAMES.
    """
    modules = {
        module.module_name: module
        for pipeline in EXAMPLES.values()
        for module in _modules_of(pipeline)
    }
    weights, _ = read_network(None, NETWORKS)
    segment = modules["SegmentDarkfieldCells"]
    segment.cell_diameter_choice.value = ENTERED
    segment.cell_diameter.value = weights.attributes["cell_diameter"] / scale
    modules[LAST].wants_everything.value = True
    for name in OURS:
        modules[name].engine.value = engine
    pipeline = Pipeline()
    for name in (*INPUT, *names, LAST):
        modules[name].module_num = len(pipeline.modules()) + 1
        modules[name].show_window = False
        pipeline.add_module(modules[name])
    with path.open("w") as file:
        pipeline.dump(file, save_image_plane_details=False)


def steps(folder, names, scale=1.0, engine=AUTOMATIC):
    """Run CellProfiler on the images of a folder in a process of its own.

    Parameters
    ----------
    folder : Path
        Folder with images/; the pipeline, the log and the results are written here, too.
    names, scale, engine
        See :func:`write_pipeline`.

    Yields
    ------
    runner.Step
    """
    case = folder / "_".join((engine, *names))
    case.mkdir()
    write_pipeline(case / "pipeline.cppipe", names, scale, engine)
    yield from cellprofiler_steps(
        case / "pipeline.cppipe", folder / "images", case / "output", case / "log"
    )


def _modules_of(example):
    pipeline = Pipeline()
    pipeline.load(str(PIPELINES / example))
    return pipeline.modules()
