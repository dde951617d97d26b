import importlib.util
import subprocess
import sys

import pytest

from tfcore import runtime
from tfcore.errors import UserError

MODULES = ("cli", "evaluation", "training")


def test_missing_tensorflow_is_said_in_one_sentence(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="TensorFlow is not installed .*pip install"):
        runtime.tensorflow.__wrapped__()


def test_the_cores_import_without_loading_tensorflow_or_keras():
    cores = [f"{core}.{name}" for core in ("focusqual", "segment") for name in MODULES]
    modules = ", ".join(["sys", *cores])
    code = f"import {modules}; print({{'tensorflow', 'keras'}} & set(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "set()"
