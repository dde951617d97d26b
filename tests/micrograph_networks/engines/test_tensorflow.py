import importlib.util
import os
import re
import subprocess
import sys
from multiprocessing import get_all_start_methods, get_context
from pathlib import Path

import numpy as np
import pytest
from support import BFLOAT16, focus_model, needs_tensorflow

from focusqual import load_model, measure_focus
from micrograph_networks.engines import EngineOptions, OutOfMemory
from micrograph_networks.engines import tensorflow as engine
from micrograph_networks.errors import UserError

TENSORFLOW = EngineOptions("tensorflow")
ROOT = Path(__file__).resolve().parents[3]
MODULES = ("commandline.commands", "evaluation.evaluate", "inference.prediction")


@pytest.mark.parametrize(
    "version, advice",
    [((3, 8), "needs Python 3.9 or newer: compute with numpy"), ((3, 9), "pip install")],
)
def test_missing_tensorflow_is_one_sentence(monkeypatch, version, advice):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(engine.sys, "version_info", version)
    with pytest.raises(UserError, match=f"TensorFlow is not installed.*{advice}"):
        engine.import_framework.__wrapped__()


def test_the_advice_installs_what_the_extra_installs(monkeypatch):
    extra = re.search(r'"cpu": \[(.*?)\]', (ROOT / "setup.py").read_text(), re.S)[1]
    for machine, version in (("x86_64", (3, 9)), ("AMD64", (3, 11)), ("arm64", (3, 9))):
        monkeypatch.setattr(engine.platform, "machine", lambda machine=machine: machine)
        monkeypatch.setattr(engine.sys, "version_info", version)
        name, least, *below = re.split(">=|,<", engine.requirement())
        assert f'"{name}>={least};' in extra
        assert below == (["2.16"] if version < (3, 10) else [])
        assert f'"{name}<2.16;' in extra


def output_of(code, **environment):
    """Run Python code in a new process, and return the words that it prints."""
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )
    return result.stdout.split()


def test_numpy_computes_without_loading_tensorflow_or_keras():
    cores = [f"{core}.{name}" for core in ("focusqual", "segment") for name in MODULES]
    code = (
        f"import {', '.join(['sys', *cores])};"
        "from micrograph_networks.engines import EngineOptions;"
        "focusqual.load_model(engine=EngineOptions('numpy'));"
        "print({'tensorflow', 'keras'} & set(sys.modules))"
    )
    assert output_of(code) == ["set()"]


@needs_tensorflow
def test_tensorflow_has_the_threads_of_this_process_and_keras_loads_later():
    code = (
        "from micrograph_networks.engines.tensorflow import import_framework;"
        "import gc, sys; tf = import_framework(); threading = tf.config.threading;"
        "print(threading.get_intra_op_parallelism_threads(),"
        " threading.get_inter_op_parallelism_threads());"
        "print('keras' in sys.modules, gc.isenabled());"
        "from tensorflow.keras import layers; import keras;"
        "print(layers.Dense(3)(tf.zeros((2, 1))).shape == (2, 3), keras.optimizers.Adam().name)"
    )
    words = [word.lower() for word in output_of(code, OMP_NUM_THREADS="1")]
    assert words == ["1", "1", "false", "true", "true", "adam"]


def refusal(loaded, put):
    """Put the error of a model that was loaded before a fork, and of one that is loaded after."""
    for compute in (
        lambda: measure_focus(np.eye(84), loaded),
        lambda: load_model(engine=TENSORFLOW),
    ):
        try:
            put(compute())
        except UserError as error:
            put(str(error))


@needs_tensorflow
@pytest.mark.skipif("fork" not in get_all_start_methods(), reason="Windows does not fork")
def test_a_process_forked_after_tensorflow_was_loaded_is_refused_and_does_not_hang():
    context = get_context("fork")
    answers = context.Queue()
    process = context.Process(target=refusal, args=(focus_model(engine=TENSORFLOW), answers.put))
    process.start()
    for _ in range(2):
        assert "'spawn'" in answers.get(timeout=60)
    process.join()


@needs_tensorflow
def test_bfloat16_changes_focus_probabilities_little(rng):
    patches = rng.normal(size=(4, 84, 84, 1)).astype(np.float32)
    found = [
        focus_model(engine=options).batches.run(lambda network, size: network(patches))
        for options in (EngineOptions("tensorflow"), BFLOAT16)
    ]
    assert found[1].dtype == np.float32
    np.testing.assert_allclose(*found, atol=0.05)


@needs_tensorflow
def test_tensorflow_that_has_computed_already_is_not_set_up_again():
    engine.import_framework().zeros(1)
    assert engine.import_framework.__wrapped__() is engine.import_framework()


@needs_tensorflow
@pytest.mark.parametrize(
    ("error", "device", "is_lack_of_memory"),
    [
        ("ResourceExhaustedError", None, True),
        ("ResourceExhaustedError", engine.CPU, True),
        ("NotFoundError", None, True),  # from cuDNN
        ("UnimplementedError", None, True),  # from cuDNN
        ("NotFoundError", engine.CPU, False),
    ],
)
def test_errors_that_mean_lack_of_memory(error, device, is_lack_of_memory):
    tf = engine.import_framework()

    def compiled(images):
        raise getattr(tf.errors, error)(None, None, "as on a GPU")

    expected = OutOfMemory if is_lack_of_memory else getattr(tf.errors, error)
    with pytest.raises(expected, match="as on a GPU"):
        engine.OnDevice(tf, compiled, device)(np.zeros(1))
