"""Processes that draw training data."""

import contextlib
import functools
import multiprocessing
from typing import Any, Callable, Iterator, List

from threadpoolctl import threadpool_limits

_function: List[Callable[[Any], Any]] = []
"""Function of a worker process."""


@contextlib.contextmanager
def processes(count: int, function: Callable[[Any], Any]) -> Iterator[Callable[..., Iterator]]:
    """Start processes that call a function, in one thread each.

    The function, with what it is bound to, is passed once: passing it with each task is slow.

    Parameters
    ----------
    count : int
        Number of processes.
    function : callable
        Can be pickled, and takes one argument.

    Yields
    ------
    callable
        Replacement of ``map`` for that function: returns the results in order.
    """
    context = multiprocessing.get_context("spawn")
    with context.Pool(count, _prepare, (function,)) as pool:
        yield functools.partial(pool.imap, _call)


def _prepare(function: Callable[[Any], Any]) -> None:
    threadpool_limits(1)
    _function[:] = [function]


def _call(item: Any) -> Any:
    return _function[0](item)
