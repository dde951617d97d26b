"""The TensorFlow engine. TensorFlow is imported when it is first needed."""

import contextlib
import functools
import gc
import importlib.util
import os
import platform
import sys
from typing import Any, Iterator, Optional, Tuple

import numpy as np

from micrograph_networks.cpus import cpu_share
from micrograph_networks.engines import InferenceFunction, OutOfMemory
from micrograph_networks.errors import UserError
from micrograph_networks.networks.computing import Arrays, Operations, compute, prepare
from micrograph_networks.networks.layers import Network

KERAS_OPTIMIZERS = "keras.src.optimizers"
"""Module of Keras that TensorFlow imports."""
CPU = "/CPU:0"
"""TensorFlow's name of the device."""


def requirement() -> str:
    """Return what pip must install: the same as for the extra ``cpu`` of setup.py."""
    intel = platform.machine() in ("x86_64", "AMD64")
    # CellProfiler 4, which runs in Python 3.9, pins an h5py that TensorFlow 2.16 does not accept.
    newest = ",<2.16" if sys.version_info < (3, 10) else ""
    return f"tensorflow{'-cpu' if intel else ''}>=2.15{newest}"


def problem(bfloat16: bool = False) -> str:
    """Return why the engine cannot compute, empty if it can: see the head of engines."""
    if importlib.util.find_spec("tensorflow") is not None:
        return ""
    if sys.version_info < (3, 9):
        return (
            "TensorFlow is not installed, and it needs Python 3.9 or newer: compute with numpy and "
            "without bfloat16."
        )
    return (
        "TensorFlow is not installed in this Python: install it with "
        f"'pip install \"{requirement()}\"' and start again, or compute with numpy and without "
        "bfloat16."
    )


@functools.lru_cache(maxsize=None)
def import_framework() -> Any:
    """Import TensorFlow without its messages, and set it to the threads of :func:`cpu_share`.

    Raises
    ------
    UserError
        TensorFlow is not installed, or its installation is broken.
    """
    if problem():
        raise UserError(problem())
    _loading_process()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        with _quick_import():
            import tensorflow
    except ImportError as error:
        raise UserError(f"TensorFlow is installed but cannot be loaded ({error}).") from error
    # If this process has computed with TensorFlow before, its setup can no longer be changed.
    with contextlib.suppress(RuntimeError):
        _set_up(tensorflow)
    return tensorflow


@functools.lru_cache(maxsize=None)
def _loading_process() -> int:
    """Return the ID of the process that has loaded TensorFlow, the first one that calls this."""
    return os.getpid()


def _refuse_forked_process() -> None:
    """Raise UserError if TensorFlow was loaded before this process was forked: it would hang."""
    if _loading_process() != os.getpid():
        raise UserError(
            "This process was forked from one that had loaded TensorFlow, which does not compute "
            "here: start processes by multiprocessing.get_context('spawn'), or compute with numpy."
        )


@contextlib.contextmanager
def _quick_import() -> Iterator[None]:
    """Skip garbage collection and Keras, which take a quarter of the time of the import."""
    collecting = gc.isenabled()
    gc.disable()
    # TensorFlow imports Keras's optimizers in case a saved Keras model needs them, and continues
    # if they are missing. None in sys.modules makes them missing; Keras can be imported later.
    optimizers = sys.modules.setdefault(KERAS_OPTIMIZERS, None)  # type: ignore[arg-type]
    try:
        yield
    finally:
        if optimizers is None:
            del sys.modules[KERAS_OPTIMIZERS]
        if collecting:
            gc.enable()


def _set_up(tf: Any) -> None:
    threads = cpu_share()
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    # Each operation uses all threads; two at a time would only need more memory.
    tf.config.threading.set_inter_op_parallelism_threads(1)
    for gpu in tf.config.list_physical_devices("GPU"):
        # Several CellProfiler workers share a GPU, so none may take all its memory at once.
        tf.config.experimental.set_memory_growth(gpu, True)


def load(network: Network, arrays: Arrays, bfloat16: bool) -> Tuple[InferenceFunction, ...]:
    """Load a network: see :func:`micrograph_networks.engines.load_functions`."""
    tf = import_framework()
    _refuse_forked_process()
    operations = TensorFlowOperations(tf, tf.bfloat16 if bfloat16 else tf.float32)
    steps = prepare(network, arrays, operations)

    # The signature leaves number, height and width open, so that a new size causes no retracing.
    @functools.partial(
        tf.function,
        input_signature=[tf.TensorSpec((None, *network.inputs), tf.float32)],
        autograph=False,
    )
    def probabilities(images: Any) -> Any:
        return compute(steps, operations, tf.cast(images, operations.dtype))

    if tf.config.list_logical_devices("GPU"):
        return OnDevice(tf, probabilities, None), OnDevice(tf, probabilities, CPU)
    return (OnDevice(tf, probabilities, CPU),)


class OnDevice:
    """A compiled network on a device.

    Parameters
    ----------
    tf : module
        TensorFlow.
    compiled : tf.function
        The network.
    device : str or None
        TensorFlow's name of the device; None for the GPU that TensorFlow chooses.

    Attributes
    ----------
    place : str
        Description of the device for messages.
    """

    def __init__(self, tf: Any, compiled: Any, device: Optional[str]) -> None:
        self._compiled, self._device, self._tf = compiled, device, tf
        self.place = "on the CPU" if device else "on the GPU"
        self._lack: Tuple[Any, ...] = (tf.errors.ResourceExhaustedError,)
        if device is None:
            # Errors that TensorFlow raises when cuDNN runs out of memory:
            # https://github.com/tensorflow/tensorflow/issues/45068 and 43174
            self._lack += (tf.errors.NotFoundError, tf.errors.UnimplementedError)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Compute as any :data:`micrograph_networks.engines.InferenceFunction`."""
        _refuse_forked_process()
        try:
            with self._tf.device(self._device):
                return self._compiled(images).numpy()
        except self._lack as error:
            raise OutOfMemory(error.message) from error


class TensorFlowOperations(Operations):
    """Operations on TensorFlow's tensors.

    Parameters
    ----------
    tf : module
        TensorFlow.
    dtype : tf.DType
        float32 or bfloat16.
    """

    def __init__(self, tf: Any, dtype: Any) -> None:
        self._tf, self.dtype = tf, dtype

    def constant(self, array: np.ndarray) -> Any:
        # Cast outside of the graph. In the graph, the first image would copy and fold the constant.
        return self._tf.cast(array, self.dtype)

    def convolve(self, x: Any, kernel: Any, stride: int, bias: Any, added: Any, relu: bool) -> Any:
        tf = self._tf
        x = tf.nn.conv2d(x, kernel, stride, "SAME")
        x = x if bias is None else tf.nn.bias_add(x, bias)
        x = x if added is None else x + added
        return tf.nn.relu(x) if relu else x

    def multiply(self, x: Any, kernel: Any, bias: Any, relu: bool) -> Any:
        x = x @ kernel + bias
        return self._tf.nn.relu(x) if relu else x

    def blocks_to_channels(self, x: Any) -> Any:
        return self._tf.nn.space_to_depth(x, 2)

    def max_pool(self, x: Any) -> Any:
        return self._tf.nn.max_pool2d(x, 2, 2, "VALID")

    def upsample(self, x: Any) -> Any:
        return self._tf.repeat(self._tf.repeat(x, 2, axis=1), 2, axis=2)

    def global_pool(self, x: Any) -> Any:
        tf = self._tf
        return tf.concat([tf.reduce_mean(x, (1, 2)), tf.reduce_max(x, (1, 2))], axis=1)

    def softmax(self, x: Any) -> Any:
        return self._tf.nn.softmax(self._tf.cast(x, self._tf.float32))

    def after(self, x: Any) -> contextlib.AbstractContextManager:
        return self._tf.control_dependencies([x])
