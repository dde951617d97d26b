"""How much a network is given at a time, and what to do when the memory does not suffice."""

import logging
from typing import Callable, Sequence, Tuple, TypeVar

from micrograph_networks.engines import InferenceFunction, OutOfMemory
from micrograph_networks.errors import UserError

logger = logging.getLogger(__name__)
Result = TypeVar("Result")


class BatchRunner:
    """How much a network is given at a time: as much as there is memory for.

    Where it does not suffice, all goes on in smaller pieces, and then by the network's next
    function, until the process ends: some engines wait for seconds before they give up, too long to
    try with every image.

    Parameters
    ----------
    name : str
        What the pieces are called, with ``{}`` for their size.
    sizes : sequence of int
        The largest first.
    functions : sequence of InferenceFunction
        As :func:`micrograph_networks.engines.load_functions` gives them.
    """

    def __init__(
        self, name: str, sizes: Sequence[int], functions: Sequence[InferenceFunction]
    ) -> None:
        self._name = name
        self._steps = [(function, size) for function in functions for size in sizes]

    def run(self, compute: Callable[[InferenceFunction, int], Result]) -> Result:
        """Compute with the largest pieces that have not failed yet.

        Parameters
        ----------
        compute : callable
            From the function and the size of a piece to the result; called anew where the memory
            does not suffice.

        Returns
        -------
        object
            The result.

        Raises
        ------
        UserError
            The memory does not suffice for the smallest pieces and the last function either.
        """
        while True:
            try:
                return compute(*self._steps[0])
            except OutOfMemory as error:
                self._step_down(error)

    def _step_down(self, error: OutOfMemory) -> None:
        failed, *left = self._steps
        problem = f"The memory does not suffice for {self._called(failed)}"
        if not left:
            raise UserError(f"{problem}: close other programs or run fewer workers.") from error
        logger.warning("%s: going on with %s (%s)", problem, self._called(left[0]), error)
        self._steps = left

    def _called(self, step: Tuple[InferenceFunction, int]) -> str:
        function, size = step
        return f"{self._name.format(size)} {getattr(function, 'place', '')}".rstrip()
