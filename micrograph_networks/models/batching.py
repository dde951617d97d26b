"""Batch sizes that fit into memory."""

import logging
from typing import Callable, Sequence, Tuple, TypeVar

from micrograph_networks.engines import InferenceFunction, OutOfMemory
from micrograph_networks.errors import UserError

logger = logging.getLogger(__name__)
Result = TypeVar("Result")


class BatchRunner:
    """Runs a network in the largest batches that fit into memory.

    When the memory does not suffice, all later calls use smaller batches, and then the network's
    next function: some engines wait for seconds before they report a lack of memory, too long to
    try again with every image.

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
            try:
                return compute(*self._steps[0])
            except OutOfMemory as error:
                self._step_down(error)

    def _step_down(self, error: OutOfMemory) -> None:
        failed, *remaining = self._steps
        problem = f"The memory does not suffice for {self._description(failed)}"
        if not remaining:
            raise UserError(f"{problem}: close other programs or run fewer workers.") from error
        following = self._description(remaining[0])
        logger.warning("%s: continuing with %s (%s)", problem, following, error)
        self._steps = remaining

    def _description(self, step: Tuple[InferenceFunction, int]) -> str:
        function, size = step
        return f"{self._name.format(size)} {getattr(function, 'place', '')}".rstrip()
