"""Damaged inputs: each must be refused in one sentence or give a complete result."""

import contextlib
import functools
import importlib
import io
import logging
import re
import shutil
import tempfile
import traceback
from pathlib import Path

import numpy as np
import originals
import pandas as pd
from click.testing import CliRunner
from mutations import damaged, damaged_settings, damaged_table

from micrograph_networks.errors import UserError
from micrograph_networks.images.image_files import read_image

REFUSED, WHOLE = "refused", "whole"
GOOD = "good.png"
"""Original image that is measured together with the damaged one."""
EVALUATION = {"evaluation.csv", "images.csv"}
USUAL = re.compile(
    r"(Usage: |Try |Wrote |Plates: |Measured \d|Segmented \d|Converted \d|\d+ of them in color"
    r"|Tables and pictures |.* has no fit for probabilities|[a-z_\d.]+ +[\d.]*$|$)"
)


def case(made, number, seed, kind, arguments):
    """Run a case in a temporary folder and return REFUSED or WHOLE.

    Parameters
    ----------
    made : Path
        Folder of the originals.
    number, seed : int
    kind : callable
        Function of this module.
    arguments : tuple
        Its further arguments.
    """
    with tempfile.TemporaryDirectory() as folder:
        # Users would see output of libraries, so there must be none.
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            result = kind(Path(folder), made, np.random.default_rng((seed, number)), *arguments)
        assert not printed.getvalue(), printed.getvalue()
        return result


def image(folder, made, rng, product, names):
    """Run ``predict`` on a damaged image and a good one."""
    original = made / str(rng.choice(names))
    bad, good, out = folder / f"bad{original.suffix}", made / GOOD, folder / "out"
    bad.write_bytes(damaged(original.read_bytes(), rng))
    result = _predict(product, [bad, good], out, made / product.weights_file)
    outcome = _outcome(result, bad, failed=1)
    alone = _predicted_alone(product, made)
    stems = ["good", "bad"] if outcome == WHOLE else ["good"]
    _assert_whole(out, {name.replace("good", stem, 1) for name in alone for stem in stems})
    for name in product.tables:
        found = pd.read_csv(out / name)
        found = found[found["image"] == good.name].reset_index(drop=True)
        pd.testing.assert_frame_equal(found, alone[name])
    return outcome


def mask(folder, made, rng):
    """Run ``segment convert-masks`` on a damaged mask and a good one."""
    bad, good = folder / "bad.png", made / "two_mask.png"
    bad.write_bytes(damaged((made / "one_mask.png").read_bytes(), rng))
    out = folder / "out"
    result = run("segment", "convert-masks", bad, good, "--output", out)
    outcome = _outcome(result, bad, failed=1)
    written = {"two_mask.png"}
    if result.exit_code == 0:
        written.add("bad.png")
    _assert_whole(out, written)
    assert (read_image(out / "two_mask.png") == read_image(good)).all()
    return outcome


def weights(folder, made, rng, product):
    """Run ``predict --model`` with a damaged weights file."""
    bad = _damaged_weights(folder, made, rng, product)
    out = folder / "out"
    result = _predict(product, [made / GOOD], out, bad)
    outcome = _outcome(result, bad, failed=2)
    if outcome == WHOLE:
        _assert_whole(out, set(_predicted_alone(product, made)))
    else:
        assert not list(out.glob("*"))
    return outcome


def module_weights(folder, made, rng, product):
    """Run a module with a damaged weights file as custom model."""
    from harness import assert_declared_is_written, choose_weights

    bad = _damaged_weights(folder, made, rng, product)
    module, workspace = module_on(product, read_image(made / GOOD) / 255)
    choose_weights(module, bad)
    try:
        module.run(workspace)
    except UserError as error:
        _assert_sentence(str(error), bad)
        assert error.__suppress_context__, "CellProfiler would show the cause"
        return REFUSED
    assert_declared_is_written(module, workspace)
    return WHOLE


def focus_table(folder, made, rng):
    """Run ``focusqual summarize`` on a damaged focus.csv."""
    bad = folder / "bad.csv"
    bad.write_bytes(damaged_table((made / "focus.csv").read_bytes(), rng))
    out = folder / "out"
    result = run("focusqual", "summarize", bad, "--output", out)
    outcome = _outcome(result, bad, failed=2)
    if outcome == WHOLE:
        of_wells = {"plate.png", "excluded_wells.csv"} if (out / "plate.png").exists() else set()
        _assert_whole(out, {"scores.png", "plate.html", *of_wells})
    else:
        assert not list(out.glob("*"))
    return outcome


def data_table(folder, made, rng, name):
    """Run ``segment evaluate`` on a damaged table of a data set or of its split."""
    for path in made.iterdir():
        if path.name.startswith(("one", "two", "data", "split")):
            shutil.copy(path, folder)
    bad = folder / name
    bad.write_bytes(damaged_table(bad.read_bytes(), rng))
    out = folder / "out"
    split = ["--split", bad] if name == "split.csv" else []
    result = run(
        *("segment", "evaluate", "--csv", folder / "data.csv", *split, "--output", out),
        *("--model", made / originals.DARKFIELD_WEIGHTS),
    )
    # A damaged table of images can be a valid table with the name of any file.
    outcome = _outcome(result, "/" if name == "data.csv" else bad, failed=2)
    if outcome == WHOLE:
        worst = {path.name for path in out.glob("worst*.png")}
        _assert_whole(out, EVALUATION | worst)
        assert len(pd.read_csv(out / "images.csv")) == len(worst) > 0
    else:
        assert not list(out.glob("*"))
    return outcome


def settings(folder, made, rng, product):
    """Load, check and run a pipeline with damaged settings, even if the check fails."""
    from cellprofiler_core.pipeline import LoadException, Pipeline
    from cellprofiler_core.setting import ValidationError
    from harness import assert_declared_is_written

    pipeline, refusals = Pipeline(), []

    def listen(_, event):
        if isinstance(event, LoadException):
            refusals.append(event.error)

    pipeline.add_listener(listen)
    text = (originals.ROOT / "example_pipelines" / product.pipelines[0]).read_text()
    text = re.sub("(?<=Select the model:).*", "Custom model", text)
    text = re.sub("(?<=Weights file location:).*", f"Elsewhere...|{made}", text)
    pipeline.load(io.StringIO(damaged_settings(text, product.module, rng)))
    module = next((m for m in pipeline.modules() if m.module_name == product.module), None)
    if module:
        try:
            module.test_valid(pipeline)
        except ValidationError as error:
            refusals.append(error)
        workspace = _image_workspace(pipeline, module, read_image(made / "rgb8.png") / 255)
        try:
            module.run(workspace)
        # CellProfiler asserts that the image exists.
        except (UserError, ValueError, AssertionError) as error:
            refusals.append(error)
        else:
            if not refusals:
                assert_declared_is_written(module, workspace)
    for error in refusals:
        _assert_sentence(str(error), "", end="")
    return REFUSED if refusals else WHOLE


def _image_workspace(pipeline, module, pixels):
    from cellprofiler_core.image import Image, ImageSetList
    from cellprofiler_core.measurement import Measurements
    from cellprofiler_core.object import ObjectSet
    from cellprofiler_core.workspace import Workspace

    images = ImageSetList()
    images.get_image_set(0).add("Image", Image(pixels))
    return Workspace(pipeline, module, images.get_image_set(0), ObjectSet(), Measurements(), images)


def module_on(product, pixels):
    """Return a module and a workspace with an image for it."""
    from cellprofiler_core.setting.subscriber import ImageSubscriber
    from cellprofiler_core.utilities.core.modules import instantiate_module
    from harness import make_workspace

    module = instantiate_module(product.module)
    for setting in module.settings():
        if isinstance(setting, ImageSubscriber):
            setting.value = "DNA"
    return module, make_workspace(module, {"DNA": pixels})


def run(package, *arguments):
    """Run a command line in this process."""
    main = importlib.import_module(f"{package}.commandline.commands").main
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def _damaged_weights(folder, made, rng, product):
    bad = folder / "bad.h5"
    bad.write_bytes(damaged((made / product.weights_file).read_bytes(), rng))
    return bad


def _predict(product, images, out, weights):
    return run(product.package, "predict", *images, "--output", out, "--model", weights)


@functools.lru_cache(maxsize=None)
def _predicted_alone(product, made):
    """Return tables, and None for pictures, that are written for the good image alone, by name."""
    with tempfile.TemporaryDirectory() as folder:
        result = _predict(product, [made / GOOD], folder, made / product.weights_file)
        assert result.exit_code == 0, result.output
        return {
            path.name: pd.read_csv(path) if path.suffix == ".csv" else None
            for path in Path(folder).iterdir()
        }


def _assert_whole(out, names):
    """Assert that a folder contains exactly these files, and that all are complete."""
    found = {path.name for path in out.iterdir()}
    assert found == names, f"{sorted(found)} instead of {sorted(names)}"
    for path in out.iterdir():
        if path.suffix == ".csv":
            assert path.read_bytes().endswith(b"\n")
            pd.read_csv(path)
        elif path.suffix == ".html":
            assert path.read_bytes().endswith(b"</html>\n")
        else:
            assert read_image(path).size


def _outcome(result, bad, failed):
    """Return REFUSED or WHOLE, and assert that a refusal is one sentence."""
    exception = result.exception
    if exception is not None and not isinstance(exception, SystemExit):
        raise AssertionError("".join(traceback.format_exception(*result.exc_info)))
    errors = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    if result.exit_code == 0:
        _assert_only_usual(result, [])
        return WHOLE
    assert result.exit_code == failed, f"exit code {result.exit_code}: {result.output}"
    assert len(errors) == 1, result.output
    _assert_only_usual(result, errors)
    _assert_sentence(errors[0], bad)
    return REFUSED


def _assert_only_usual(result, errors):
    for line in result.output.splitlines():
        assert line in errors or USUAL.match(line), f"unexpected output: {result.output}"


def _assert_sentence(text, path, end="."):
    assert str(path) in text and text.endswith(end) and text.strip(), f"unexpected: {text!r}"
    assert "\n" not in text and len(text) < 1000 and "Traceback" not in text, f"long: {text!r}"


def prepare_modules(folder):
    """Load the modules and write the originals if they do not exist."""
    load_modules()
    originals.know_small_network()
    if not list(folder.iterdir()):
        originals.make(folder)


def load_modules():
    """Let CellProfiler load its modules and ours, without its log."""
    logging.disable()
    from cellprofiler_core import preferences

    preferences.set_headless()
    preferences.set_plugin_directory(str(originals.ROOT / "plugins"))
    import harness  # noqa: F401 - loads the modules
