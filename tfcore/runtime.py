"""TensorFlow, imported late and set up once."""

import functools
import importlib.util
import os

from tfcore.errors import UserError

MISSING = (
    "TensorFlow is not installed in this Python: install it with "
    "'pip install \"tensorflow-cpu>=2.15\"' and start again."
)


@functools.cache
def tensorflow():
    """Import TensorFlow, quietly, the first time that it is needed.

    Returns
    -------
    module

    Raises
    ------
    UserError
        TensorFlow is not installed, or its installation is broken.
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise UserError(MISSING)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        import tensorflow
    except ImportError as error:
        raise UserError(f"TensorFlow is installed but cannot be loaded ({error}).") from error

    for gpu in tensorflow.config.list_physical_devices("GPU"):
        # Several CellProfiler workers share a GPU: none may take all its memory at once.
        tensorflow.config.experimental.set_memory_growth(gpu, True)
    return tensorflow
