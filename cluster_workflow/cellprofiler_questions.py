"""What CellProfiler's own Python answers; it runs this file, and needs nothing else of ours.

    PYTHON cellprofiler_questions.py {pipeline,image_sets} FILE [options of CellProfiler]

The answer is JSON: what the function of that name gives, or ``error``, a sentence.
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


def pipeline(path):
    """What matters for batches of a pipeline file.

    Parameters
    ----------
    path : str

    Returns
    -------
    dict
        ``modules``, the names of those that are enabled; ``exports``, of each ExportToSpreadsheet
        the folder, the delimiter, and whether it exports Image; ``batch_pipeline``, the text of the
        pipeline with CreateBatchFiles at its end, and without a list of files.
    """
    if not _is_pipeline(path):
        return {
            "error": f"{path} is not a pipeline file: "
            "give a .cppipe that CellProfiler has exported."
        }
    loaded = Pipeline()
    try:
        loaded.loadtxt(path, raise_on_error=True)
    except Exception as error:  # each module raises what it likes
        reason = " ".join(str(error).split()) or type(error).__name__
        return {
            "error": f"CellProfiler cannot load {path} ({reason}): "
            "check its modules, and --plugins-directory of cellprofiler."
        }
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
    """What Batch_data.h5 says of the image sets.

    Parameters
    ----------
    path : str

    Returns
    -------
    dict
        ``numbers`` in order; ``tags``, features that tell the groups; ``values`` of each feature as
        text, in the order of ``numbers``: files, folders and metadata.
    """
    try:
        measurements = Measurements(filename=path, mode="r")
        if IMAGE not in measurements.get_object_names():
            return {"numbers": [], "tags": [], "values": {}}
        numbers = measurements.get_image_numbers()
        features = measurements.get_feature_names(IMAGE)
        values = {name: measurements[IMAGE, name, numbers] for name in features}
        tags = measurements.get_grouping_tags_only()
    except (OSError, KeyError, AssertionError):
        return {
            "error": f"{path} is not a file of CellProfiler's CreateBatchFiles: check the path."
        }
    return {
        "numbers": numbers.tolist(),
        "tags": tags,
        "values": {
            name: list(map(str, values[name])) for name in features if _is_one_each(values[name])
        },
    }


def _is_one_each(values):
    """Whether every image set has a value: neither None nor NaN, and no array."""
    return all(numpy.isscalar(value) and value == value for value in values)


def main():
    """Answer what the command line asks."""
    parser = argparse.ArgumentParser()
    parser.add_argument("question", choices=["pipeline", "image_sets"])
    parser.add_argument("file")
    parser.add_argument("--plugins-directory")
    arguments, _ = parser.parse_known_args()
    set_headless()
    if arguments.plugins_directory:
        set_plugin_directory(arguments.plugins_directory, globally=False)
    # Modules may print.
    with contextlib.redirect_stdout(sys.stderr):
        answer = {"pipeline": pipeline, "image_sets": image_sets}[arguments.question](
            arguments.file
        )
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
