import gc
import weakref

import pytest

from micrograph_networks.cellprofiler.model_cache import Cache, exclude_from_collections


class Model:
    """A model with a reference cycle, as TensorFlow's models have."""

    def __init__(self):
        self.itself = self


@pytest.fixture(autouse=True)
def _unfreeze():
    yield
    gc.unfreeze()


def test_the_oldest_results_are_dropped_and_made_again():
    cache, made = Cache(2), []
    for key in "abbcbca":
        cache.get(key, lambda key=key: made.append(key))
    assert made == ["a", "b", "c", "a"]
    assert ["b" in cache, "c" in cache, "a" in cache] == [False, True, True]


def test_a_dropped_model_is_freed_although_it_was_excluded_from_collections():
    cache = Cache(1)
    first = weakref.ref(cache.get("first", Model))
    exclude_from_collections()
    cache.get("second", Model)
    gc.collect()
    assert first() is None
    assert cache.get("second", Model).itself
