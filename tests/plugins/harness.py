"""Helpers that run the modules as CellProfiler does."""

import io
import re
import subprocess
import sys
from pathlib import Path

import cellprofiler_core.modules  # loads all modules and plugins
import docutils.core
import matplotlib.figure
import numpy as np
import pandas as pd
from cellprofiler_core import preferences
from cellprofiler_core.constants.measurement import EXPERIMENT, IMAGE
from cellprofiler_core.image import Image, ImageSetList
from cellprofiler_core.measurement import Measurements
from cellprofiler_core.module import Module
from cellprofiler_core.object import Objects, ObjectSet
from cellprofiler_core.pipeline import Pipeline
from cellprofiler_core.utilities.core.modules import instantiate_module
from cellprofiler_core.utilities.zmq import json_decode, json_encode
from cellprofiler_core.workspace import Workspace
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.gridspec import GridSpec
from pandas.testing import assert_frame_equal
from skimage.measure import find_contours

ROOT = Path(__file__).resolve().parent.parent.parent
CELLPROFILER_5 = cellprofiler_core.__version__ >= "5"
COMMAND = [Path(sys.executable).with_name("cellprofiler")]
"""CellProfiler of this environment."""
if CELLPROFILER_5:
    # Its Bio-Formats reader downloads Java and itself.
    COMMAND += ["--enable-readers", "imageio_reader"]
TIMES_AND_PLANES = r"(ExecutionTime|Metadata|Channel|Frame|Series(Name)?|[CTZ])_"
"""Columns that differ between runs, or between readers of files with many planes."""
TABLES = {
    "focus_qc.cppipe": {"FocusQC_FocusPatches.csv", "FocusQC_Image.csv"},
    "darkfield_cells.cppipe": {
        f"Darkfield_{name}.csv" for name in ("BloodCells", "Image", "Spirochaetes")
    },
}
"""Tables that two example pipelines write."""


def make_workspace(module, images, labels=None):
    """Return a workspace of a pipeline with one module, and images and label images by name."""
    pipeline = Pipeline()
    module.module_num = 1
    pipeline.add_module(module)
    image_set_list = ImageSetList()
    image_set = image_set_list.get_image_set(0)
    for name, image in images.items():
        image_set.add(name, image if isinstance(image, Image) else Image(image))
    object_set = ObjectSet()
    for name, matrix in (labels or {}).items():
        objects = Objects()
        objects.segmented = matrix
        object_set.add_objects(objects, name)
    return Workspace(pipeline, module, image_set, object_set, Measurements(), image_set_list)


def choose_weights(module, path):
    """Select a custom weights file."""
    module.model.value = "Custom model"
    module.weights_directory.join_parts("Elsewhere...", str(path.parent))
    module.weights_file.value = path.name


def saved_and_loaded(module):
    """Return a copy of a module from a saved pipeline."""
    pipeline = Pipeline()
    module.module_num = 1
    pipeline.add_module(module)
    file = io.StringIO()
    pipeline.dump(file, save_image_plane_details=False)
    file.seek(0)
    loaded = Pipeline()
    loaded.load(file)
    (copy,) = loaded.modules()
    assert copy.module_name == module.module_name
    assert [s.unicode_value for s in copy.settings()] == [
        s.unicode_value for s in module.settings()
    ]
    return copy


def assert_help_is_valid_markup(module):
    texts = [module.get_help_text()[0], *(s.doc for s in module.help_settings())]
    assert texts[0].startswith(f"{module.module_name}\n====")
    assert all(texts)
    for text in texts:
        # Level 1: even a minor warning raises an exception.
        docutils.core.publish_doctree(text, settings_overrides={"halt_level": 1})


def assert_declared_is_written(module, workspace):
    """Check after a run that measured features, columns, and names in menus are the same."""
    module.prepare_run(workspace)
    columns = module.get_measurement_columns(workspace.pipeline)
    named = {
        (object_name, "_".join(filter(None, (category, feature, image))))
        for object_name in {column[0] for column in columns}
        for category in module.get_categories(None, object_name)
        for feature in module.get_measurements(None, object_name, category)
        for image in module.get_measurement_images(None, object_name, category, feature) or [""]
    }
    measurements = workspace.measurements
    written = {
        (object_name, feature)
        for object_name in measurements.get_object_names()
        for feature in measurements.get_feature_names(object_name)
    }
    assert len(columns) == len({column[:2] for column in columns})
    assert {column[:2] for column in columns} == written == named
    for object_name, feature, kind in columns:
        if object_name == EXPERIMENT:
            assert kind.startswith("varchar")
            assert isinstance(measurements.get_experiment_measurement(feature), str)
            continue
        values = np.atleast_1d(measurements.get_current_measurement(object_name, feature))
        if kind.startswith("varchar"):
            assert values.dtype.kind == "U"
            continue
        assert values.dtype.kind in "if", feature
        if kind == "integer":
            assert np.array_equal(values, values.astype(int)), feature


def refusal_of_volumes(workspace):
    """Return the message of CellProfiler that refuses a pipeline of volumes."""
    # Measurements of the input modules.
    for feature in ("ImageNumber", "Group_Number", "Group_Index"):
        workspace.measurements.add_image_measurement(feature, 1)
    messages = []
    workspace.pipeline.set_volumetric(True)
    workspace.pipeline.report_prepare_run_error = lambda _, message: messages.append(message)
    assert not workspace.pipeline.prepare_run(workspace)
    return messages[0]


def displayed(module, workspace, figsize=(6.4, 4.8)):
    """Draw the figure of a module after a run, from data encoded as for another process."""
    sent = json_decode(*json_encode(vars(workspace.display_data)))
    vars(workspace.display_data).update(sent)
    figure = AggFigure(figsize)
    module.display(workspace, figure)
    figure.figure.canvas.draw()
    return figure


def run_cellprofiler(pipeline, images, output, program=COMMAND, plugins=ROOT / "plugins"):
    """Run a pipeline file on a folder of images in CellProfiler without a window."""
    command = [*program, "-c", "-r", "-p", pipeline, "-i", images, "-o", output]
    command += ["--plugins-directory", plugins]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr


def with_report(pipeline, folder, question="Write a focus report?"):
    """Write a pipeline that writes a report into a folder, and return its path."""
    text = pipeline.read_text("utf-8")
    assert f"{question}:No" in text
    path = folder / "pipeline.cppipe"
    path.write_text(text.replace(f"{question}:No", f"{question}:Yes"), "utf-8")
    return path


class GivenImages(Module):
    """An input module that gives arrays as the image DNA.

    Parameters
    ----------
    images : list of ndarray or None
        Image of each image set, None for one that cannot be read.
    groups : list of int, optional
        Number of the group of each image set; by default all are one group.
    """

    module_name = "GivenImages"
    variable_revision_number = 1

    def __init__(self, images, groups=None):
        super().__init__()
        self.images = images
        self.groups = groups or [1] * len(images)

    def settings(self):
        return []

    def prepare_run(self, workspace):
        for number in range(1, len(self.images) + 1):
            workspace.measurements.add_measurement(
                IMAGE, "Metadata_Site", str(number), image_set_number=number
            )
        return True

    def get_groupings(self, workspace):
        numbers = np.arange(1, len(self.images) + 1)
        return ["Group"], [
            ({"Group": str(group)}, list(numbers[np.equal(self.groups, group)]))
            for group in dict.fromkeys(self.groups)
        ]

    def run(self, workspace):
        image = self.images[workspace.measurements.image_set_number - 1]
        if image is None:
            raise OSError("damaged file")
        workspace.image_set.add("DNA", image if isinstance(image, Image) else Image(image))


def run_in_process(modules, output, **arguments):
    """Run modules as a pipeline in this process, continue after errors, and export all tables.

    Returns
    -------
    status : str
        Exit status that CellProfiler records.
    tables : dict of str to DataFrame
        Exported tables by the names of their files.
    """
    pipeline = Pipeline()
    export = instantiate_module("ExportToSpreadsheet")
    export.directory.join_parts("Elsewhere...", str(output))
    for number, module in enumerate([*modules, export], 1):
        module.set_module_num(number)
        pipeline.add_module(module)
    preferences.set_always_continue(True, globally=False)
    try:
        measurements = pipeline.run(**arguments)
    finally:
        preferences.set_always_continue(False, globally=False)
    status = measurements.get_experiment_measurement("Exit_Status")
    measurements.close()
    return status, {path.stem: pd.read_csv(path) for path in output.glob("*.csv")}


def run_in_workers(folder, workers):
    """Run the pipeline of a folder on its images in workers, as CellProfiler's window does."""
    code = f"import pathlib, workers; workers.analyzed(pathlib.Path({str(folder)!r}), {workers})"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT / "benchmarks", check=True)


def numbers(output):
    """Return the numbers in all tables of a folder, except those of TIMES_AND_PLANES."""
    tables = {path.name: pd.read_csv(path) for path in output.glob("*.csv")}
    return {
        name: table.set_index("FileName_Image", append=True)
        .select_dtypes("number")
        .filter(regex=f"^(?!{TIMES_AND_PLANES})")
        for name, table in tables.items()
    }


def assert_same_numbers(found, expected, names, tolerance):
    """Check that two folders have tables with the same numbers; integers are equal."""
    found, expected = numbers(found), numbers(expected)
    assert found.keys() == expected.keys() == names
    for name, table in expected.items():
        assert len(table) > 1
        both = {"check_dtype": False, "check_like": True}
        assert_frame_equal(found[name], table, rtol=tolerance, atol=tolerance, **both)
        integers = table.select_dtypes("integer").columns
        assert_frame_equal(found[name][integers], table[integers], check_exact=True, **both)


def assert_valid_and_portable(path):
    """Check that a pipeline is valid and names no folder. Return the names of its modules."""
    pipeline = Pipeline()
    pipeline.load(str(path))
    for module in pipeline.modules():
        module.test_valid(pipeline)
    assert not re.search(r"(\.\.\.|Folder)\|.|file:|[A-Z]:\\", path.read_text())
    return [module.module_name for module in pipeline.modules()]


class AggFigure:
    """CellProfiler's figure without a window."""

    def __init__(self, figsize):
        self.figure = matplotlib.figure.Figure(figsize=figsize, constrained_layout=True)
        FigureCanvasAgg(self.figure)
        self.table = None
        self.event_bindings = {}
        self.status_bar = StatusBar()

    def set_subplots(self, shape):
        self.subplots = np.zeros(shape, dtype=object)
        self.grid = GridSpec(shape[1], shape[0], figure=self.figure)

    def subplot(self, x, y, sharexy=None):
        if not self.subplots[x, y]:
            place = self.grid[y, x]
            self.subplots[x, y] = self.figure.add_subplot(place, sharex=sharexy, sharey=sharexy)
        return self.subplots[x, y]

    def subplot_imshow_color(
        self, x, y, image, title, interpolation="nearest", cplabels=(), sharexy=None
    ):
        axes = self.subplot(x, y, sharexy)
        axes.imshow(image, interpolation=interpolation)
        axes.set_title(title)
        for group in cplabels:
            (labels,), outside = group["labels"], [[0, 2**32 - 1], [0, 0]]
            assert group["mode"] == "lines"
            lines = find_contours(np.pad(labels > 0, 1).astype(float), 0.5)
            lines = [line[:, ::-1] - 1 for line in lines]
            # CellProfiler's artist also draws a line far outside the image.
            style = {
                "linewidth": group["line_width"],
                "colors": np.array(group["outline_color"]) / 255,
            }
            axes.add_collection(LineCollection([*lines, outside], **style))
        return axes

    def subplot_table(self, x, y, statistics, col_labels, n_cols=1, n_rows=1):
        assert {len(row) for row in statistics} == {len(col_labels)}
        self.table_place = (x, y, n_cols, n_rows)
        self.table = [col_labels, *(list(row) for row in statistics)]


class StatusBar:
    """Status bar of CellProfiler's figure."""

    def SetFieldsCount(self, count):
        self.fields = [""] * count

    def SetStatusText(self, text, i):
        self.fields[i] = text
