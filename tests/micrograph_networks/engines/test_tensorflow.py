import importlib.util
import logging
import os
import subprocess
import sys

import pytest

from micrograph_networks.engines import tensorflow as runtime
from micrograph_networks.errors import UserError

MODULES = ("commandline.commands", "evaluation.evaluate", "training.train")


def test_missing_tensorflow_is_said_in_one_sentence(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="TensorFlow is not installed .*pip install"):
        runtime.tensorflow.__wrapped__()


def output_of(code, **environment):
    """What Python code prints in a process of its own, word by word."""
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )
    return result.stdout.split()


def test_the_cores_import_without_loading_tensorflow_or_keras():
    cores = [f"{core}.{name}" for core in ("focusqual", "segment") for name in MODULES]
    modules = ", ".join(["sys", *cores])
    code = f"import {modules}; print({{'tensorflow', 'keras'}} & set(sys.modules))"
    assert output_of(code) == ["set()"]


def test_threads_are_the_share_of_this_process():
    code = (
        "from micrograph_networks.engines.tensorflow import tensorflow; threading = tensorflow().config.threading;"
        "print(threading.get_intra_op_parallelism_threads(),"
        " threading.get_inter_op_parallelism_threads())"
    )
    assert output_of(code, OMP_NUM_THREADS="1") == ["1", "1"]


def test_keras_is_left_to_those_who_need_it():
    code = (
        "import gc, sys; from micrograph_networks.engines.tensorflow import tensorflow; tf = tensorflow();"
        "print('keras' in sys.modules, gc.isenabled());"
        "from tensorflow.keras import layers; import keras;"
        "print(layers.Dense(3)(tf.zeros((2, 1))).shape == (2, 3), keras.optimizers.Adam().name)"
    )
    assert [word.lower() for word in output_of(code)] == ["false", "true", "true", "adam"]


def test_tensorflow_that_is_at_work_already_stays_as_it_is():
    runtime.tensorflow().zeros(1)
    assert runtime.tensorflow.__wrapped__() is runtime.tensorflow()


def test_pieces_become_smaller_until_memory_suffices(out_of_memory, caplog):
    pieces, tried = runtime.Pieces("tiles of {} pixels", (8, 4, 2)), []

    def compute(size):
        tried.append(size)
        return out_of_memory() if size > 2 else "found"

    assert [pieces.run(compute), pieces.run(compute)] == ["found", "found"]
    assert tried == [8, 4, 2, 2]
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "tiles of 8 pixels: going on with tiles of 4 pixels (OOM" in caplog.messages[0]


def test_too_little_memory_is_said_in_one_sentence(out_of_memory):
    pieces = runtime.Pieces("tiles of {} pixels", (4, 2))
    with pytest.raises(UserError, match="not suffice for tiles of 2 pixels: close .* fewer"):
        pieces.run(lambda size: out_of_memory())
    assert pieces.run(lambda size: size) == 2


def test_after_the_smallest_pieces_on_a_gpu_comes_the_cpu(out_of_memory, monkeypatch, caplog):
    tf, tried = runtime.tensorflow(), []
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [f"a {kind}"])
    device = tf.device
    monkeypatch.setattr(tf, "device", lambda name: tried.append(name) or device(name))
    pieces = runtime.Pieces("batches of {}", (2, 1))
    assert pieces.run(lambda size: out_of_memory() if len(tried) < 3 else size) == 2
    assert tried == [None, None, "/CPU:0"]
    assert "batches of 1: going on with batches of 2 on the CPU (" in caplog.messages[-1]


def test_other_errors_are_not_taken_for_a_lack_of_memory():
    pieces = runtime.Pieces("tiles of {} pixels", (4, 2))
    with pytest.raises(runtime.tensorflow().errors.InvalidArgumentError):
        pieces.run(lambda size: runtime.tensorflow().reshape([1], (size,)))
