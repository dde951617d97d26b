"""Answer questions about pipelines and image sets in CellProfiler's own Python.

    PYTHON cellprofiler_questions.py {pipeline,image_sets} FILE [options of CellProfiler]

This Python needs none of our packages. The answer is JSON: the result of the named function, or
``error`` with the message of Refused.
"""

import argparse
import contextlib
import io
import json
import sys

import numpy
from cellprofiler_core.constants.measurement import IMAGE
from cellprofiler_core.measurement import Measurements
from cellprofiler_core.pipeline import Pipeline
from cellprofiler_core.preferences import set_headless, set_plugin_directory


class Refused(Exception):
    """One sentence that names the file and says what to do."""


def pipeline(path):
    """Describe a pipeline file.

    Returns
    -------
    dict
        ``modules``: names of the enabled modules; ``exports``: folder, delimiter, and whether Image
        is exported, for each ExportToSpreadsheet; ``batch_pipeline``: text of the pipeline with
        CreateBatchFiles at its end and without a list of files.
    """
    if not _is_pipeline(path):
        raise Refused(
            f"{path} is not a pipeline file: give a .cppipe that CellProfiler has exported."
        )
    loaded = Pipeline()
    try:
        loaded.loadtxt(path, raise_on_error=True)
    except Exception as error:  # modules raise exceptions of any kind
        reason = " ".join(str(error).split()) or type(error).__name__
        raise Refused(
            f"CellProfiler cannot load {path} ({reason}): "
            "check its modules, and --plugins-directory of cellprofiler."
        ) from error
    modules = loaded.modules()
    return {
        "modules": [module.module_name for module in modules],
        "exports": [_export(m) for m in modules if m.module_name == "ExportToSpreadsheet"],
        "batch_pipeline": _with_create_batch_files(loaded),
    }


def _is_pipeline(path):
    try:
        return Pipeline.is_pipeline_txt_file(path)
    except (OSError, UnicodeDecodeError):
        return False


def _export(module):
    names = [group.name.value for group in module.object_groups]
    return {
        "folder": module.directory.dir_choice,
        "delimiter": module.delimiter_char,
        "image": module.wants_everything.value or IMAGE in names,
    }


def _with_create_batch_files(loaded):
    for module in [m for m in loaded.modules(False) if m.is_create_batch_module()]:
        loaded.remove_module(module.module_num)
    last = loaded.instantiate_module("CreateBatchFiles")
    last.mappings.clear()  # all nodes see the same paths
    last.set_module_num(len(loaded.modules(False)) + 1)
    loaded.add_module(last)
    text = io.StringIO()
    loaded.dump(text, save_image_plane_details=False)
    return text.getvalue()


def image_sets(path):
    """Describe the image sets of Batch_data.h5.

    Returns
    -------
    dict
        ``numbers``: image numbers in order; ``tags``: features that define the groups; ``values``:
        files, folders and metadata of all image sets as text, by feature.
    """
    try:
        measurements = Measurements(filename=path, mode="r")
        if IMAGE not in measurements.get_object_names():
            return {"numbers": [], "tags": [], "values": {}}
        numbers = measurements.get_image_numbers()
        features = measurements.get_feature_names(IMAGE)
        values = {feature: measurements[IMAGE, feature, numbers] for feature in features}
        tags = measurements.get_grouping_tags_only()
    except (OSError, KeyError, AssertionError):
        raise Refused(
            f"{path} is not a file of CellProfiler's CreateBatchFiles: check the path."
        ) from None
    return {
        "numbers": numbers.tolist(),
        "tags": tags,
        "values": {
            name: list(map(str, column)) for name, column in values.items() if _is_complete(column)
        },
    }


def _is_complete(values):
    """Return True if every value is a scalar other than None and NaN."""
    return all(numpy.isscalar(value) and value == value for value in values)


def main():
    """Answer the question on the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("question", choices=["pipeline", "image_sets"])
    parser.add_argument("file")
    parser.add_argument("--plugins-directory")
    arguments, _ = parser.parse_known_args()
    set_headless()
    if arguments.plugins_directory:
        set_plugin_directory(arguments.plugins_directory, globally=False)
    answer = pipeline if arguments.question == "pipeline" else image_sets
    with contextlib.redirect_stdout(sys.stderr):  # modules may print
        try:
            result = answer(arguments.file)
        except Refused as refused:
            result = {"error": str(refused)}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
