"""Batch sizes that fit into memory."""

import contextlib
import logging
import threading
from typing import Callable, Iterator, Sequence, Tuple, TypeVar

from micrograph_networks.engines import InferenceFunction, OutOfMemory
from micrograph_networks.errors import UserError

logger = logging.getLogger(__name__)
Result = TypeVar("Result")
Step = Tuple[InferenceFunction, int]
"""Function and batch size."""


class BatchRunner:
    """Runs a network in the largest batches that fit into memory.

    When the memory does not suffice, all later calls use smaller batches, and then the network's
    next function: some engines wait for seconds before they report a lack of memory, too long to
    try again with every image. Several threads may share a runner: when the smallest batches of all
    of them together do not fit, one computes alone.

    Parameters
    ----------
    name : str
        Name of a batch in messages, with ``{}`` for its size.
    sizes : sequence of int
        Batch sizes to try, the largest first.
    functions : sequence of InferenceFunction
        See :func:`micrograph_networks.engines.load_functions`.
    """

    def __init__(
        self, name: str, sizes: Sequence[int], functions: Sequence[InferenceFunction]
    ) -> None:
        self._name = name
        self._steps = [(function, size) for function in functions for size in sizes]
        self._last = self._steps[-1]
        self._computing = 0
        self._changed = threading.Condition()

    def run(self, compute: Callable[[InferenceFunction, int], Result]) -> Result:
        """Compute with the largest batch size that has not failed yet.

        Parameters
        ----------
        compute : callable
            Takes the function and the batch size and returns the result. It is called again with a
            smaller batch size after an OutOfMemory.

        Returns
        -------
        object
            Result of ``compute``.

        Raises
        ------
        UserError
            The memory does not suffice for the smallest batches and the last function.
        """
        while True:
            step = self._steps[0]
            try:
                with self._counted():
                    return compute(*step)
            except OutOfMemory as error:
                if step is self._last:
                    break
                self._step_down(step, error)
        return self._compute_alone(compute)

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        """Count the threads that compute."""
        with self._changed:
            self._computing += 1
        try:
            yield
        finally:
            with self._changed:
                self._computing -= 1
                self._changed.notify_all()

    def _compute_alone(self, compute: Callable[[InferenceFunction, int], Result]) -> Result:
        """Compute the smallest batches while no other thread computes."""
        with self._changed:
            self._changed.wait_for(lambda: self._computing == 0)
            try:
                return compute(*self._last)
            except OutOfMemory as error:
                raise UserError(
                    f"{self._problem(self._last)}: close other programs or run fewer workers."
                ) from error

    def _step_down(self, failed: Step, error: OutOfMemory) -> None:
        """Go on to the next step, unless another thread already has."""
        with self._changed:
            if failed is self._steps[0]:
                self._steps = self._steps[1:]
                following = self._description(self._steps[0])
                problem = self._problem(failed)
                logger.warning("%s: continuing with %s (%s)", problem, following, error)

    def _problem(self, step: Step) -> str:
        return f"The memory does not suffice for {self._description(step)}"

    def _description(self, step: Step) -> str:
        function, size = step
        return f"{self._name.format(size)} {getattr(function, 'place', '')}".rstrip()
