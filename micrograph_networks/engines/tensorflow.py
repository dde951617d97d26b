"""TensorFlow, imported late and set up once, and what to do when its memory does not suffice."""

import contextlib
import functools
import gc
import importlib.util
import logging
import os
import sys

from micrograph_networks.engines.cpus import cpu_share
from micrograph_networks.errors import UserError

logger = logging.getLogger(__name__)

MISSING = (
    "TensorFlow is not installed in this Python: install it with "
    "'pip install \"tensorflow-cpu>=2.15\"' and start again."
)
KERAS_OPTIMIZERS = "keras.src.optimizers"


@functools.cache
def tensorflow():
    """Import TensorFlow, quietly, the first time that it is needed.

    It computes in as many threads as :func:`micrograph_networks.engines.cpus.cpu_share` grants.

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
        with _quick_import():
            import tensorflow
    except ImportError as error:
        raise UserError(f"TensorFlow is installed but cannot be loaded ({error}).") from error
    # Whoever has computed with it before has set it up: then it cannot be changed any more.
    with contextlib.suppress(RuntimeError):
        _set_up(tensorflow)
    return tensorflow


@contextlib.contextmanager
def _quick_import():
    """Leave out what takes a quarter of the import: collecting garbage, and Keras."""
    collecting = gc.isenabled()
    gc.disable()
    # TensorFlow imports Keras's optimizers lest a saved Keras model should need them, and does
    # without where they are missing, as None makes them. Whoever needs Keras imports it later.
    optimizers = sys.modules.setdefault(KERAS_OPTIMIZERS, None)
    try:
        yield
    finally:
        if optimizers is None:
            del sys.modules[KERAS_OPTIMIZERS]
        # What is there by now stays: later collections take a millisecond instead of 0.1 s.
        gc.freeze()
        if collecting:
            gc.enable()


def _set_up(tf):
    threads = cpu_share()
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    # Each operation takes all threads; two at a time would only take more memory.
    tf.config.threading.set_inter_op_parallelism_threads(1)
    for gpu in tf.config.list_physical_devices("GPU"):
        # Several CellProfiler workers share a GPU: none may take all its memory at once.
        tf.config.experimental.set_memory_growth(gpu, True)


class Pieces:
    """How much a network is given at a time: as much as there is memory for.

    Where it does not suffice, all goes on in smaller pieces, and then on the CPU, until the process
    ends: TensorFlow waits up to ten seconds before it gives up, too long to try with every image.

    Parameters
    ----------
    name : str
        What the pieces are called, with ``{}`` for their size.
    sizes : sequence of int
        The largest first.
    """

    def __init__(self, name, sizes):
        self._name, self._sizes = name, sizes
        self._tried = 0

    def run(self, compute):
        """Compute with the largest pieces that have not failed yet.

        Parameters
        ----------
        compute : callable
            From the size of a piece to the result; called anew where the memory does not suffice.

        Returns
        -------
        object
            The result.

        Raises
        ------
        UserError
            The memory does not suffice for the smallest pieces either, nor that of the CPU.
        """
        tf = tensorflow()
        # The others are what becomes of cuDNN's lack of memory:
        # https://github.com/tensorflow/tensorflow/issues/45068 and 43174
        lack = (
            tf.errors.ResourceExhaustedError,
            tf.errors.NotFoundError,
            tf.errors.UnimplementedError,
        )
        while True:
            device, size = self._steps[0]
            try:
                with tf.device(device):
                    return compute(size)
            except lack as error:
                self._step_down(error)

    @functools.cached_property
    def _steps(self):
        # None is the device that TensorFlow chooses: a GPU where there is one.
        devices = [None, "/CPU:0"] if tensorflow().config.list_logical_devices("GPU") else [None]
        return [(device, size) for device in devices for size in self._sizes]

    def _step_down(self, error):
        failed, *left = self._steps
        problem = f"The memory does not suffice for {self._called(*failed)}"
        if not left:
            raise UserError(f"{problem}: close other programs or run fewer workers.") from error
        logger.warning("%s: going on with %s (%s)", problem, self._called(*left[0]), error.message)
        self._steps = left

    def _called(self, device, size):
        return self._name.format(size) + (" on the CPU" if device else "")
