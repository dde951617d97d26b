"""Cache of loaded models: each model is loaded once in a process."""

import gc
import threading
from typing import Any, Callable, Dict, Hashable


class Cache:
    """Results that take long to make, such as loaded models. The oldest ones are dropped.

    Parameters
    ----------
    size : int
        Number of results to keep.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._made: Dict[Hashable, Any] = {}
        self._lock = threading.Lock()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._made

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return the result of a key, made now if it is not there.

        Other threads wait meanwhile, so no result is made twice. What was excluded from garbage
        collections is included again, so that dropped results are freed.

        Parameters
        ----------
        key : hashable
            Everything that the result depends on.
        make : callable
            Function without arguments that makes the result.
        """
        with self._lock:
            if key not in self._made:
                made = make()
                while len(self._made) >= self._size:
                    del self._made[next(iter(self._made))]
                self._made[key] = made
                # TensorFlow's models contain reference cycles, which only a collection frees.
                gc.unfreeze()
            return self._made[key]


MODELS = Cache(4)
"""Loaded models."""
DESCRIPTIONS = Cache(8)
"""Attributes of weights files."""


def exclude_from_collections() -> None:
    """Exclude everything that is in memory now from garbage collections until a model is loaded.

    Call it after a model was loaded: a collection then takes 1 ms instead of 0.1 s. Objects
    without reference cycles are still freed.
    """
    gc.collect()
    gc.freeze()


def free_earlier_image_sets() -> None:
    """Free the images and objects of earlier image sets. Call it at the end of ``run``.

    CellProfiler's workspace holds them in a reference cycle. Python finds it only after dozens of
    image sets, unless the user lets CellProfiler conserve memory.
    """
    gc.collect()
