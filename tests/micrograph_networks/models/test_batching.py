import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from micrograph_networks.errors import UserError
from micrograph_networks.models.batching import BatchRunner


class Function:
    """A network on a device."""

    def __init__(self, place):
        self.place = place


def test_batches_become_smaller_until_memory_suffices(out_of_memory, caplog):
    batches, tried = BatchRunner("tiles of {} pixels", (8, 4, 2), [abs]), []

    def compute(function, size):
        tried.append((function, size))
        return out_of_memory() if size > 2 else "found"

    assert [batches.run(compute), batches.run(compute)] == ["found", "found"]
    assert tried == [(abs, 8), (abs, 4), (abs, 2), (abs, 2)]
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "tiles of 8 pixels: continuing with tiles of 4 pixels (OOM" in caplog.messages[0]


def test_too_little_memory_for_the_smallest_batches_is_an_error(out_of_memory):
    batches = BatchRunner("tiles of {} pixels", (4, 2), [abs])
    with pytest.raises(UserError, match="not suffice for tiles of 2 pixels: close .* fewer"):
        batches.run(lambda function, size: out_of_memory())
    assert batches.run(lambda function, size: size) == 2


def test_the_next_function_follows_the_smallest_batches(out_of_memory, caplog):
    gpu, cpu = Function("on the GPU"), Function("on the CPU")
    batches = BatchRunner("batches of {}", (2, 1), [gpu, cpu])

    def compute(function, size):
        return out_of_memory() if function is gpu else size

    assert batches.run(compute) == 2
    assert "batches of 1 on the GPU: continuing with batches of 2 on the CPU" in caplog.messages[-1]


def test_threads_that_fail_together_step_down_once(out_of_memory):
    batches, tried = BatchRunner("tiles of {} pixels", (8, 4, 2), [abs]), []
    together = threading.Barrier(2, timeout=10)

    def compute(function, size):
        tried.append(size)
        if size == 8:
            time.sleep(0.1 * together.wait())  # one fails when the other has stepped down
            out_of_memory()
        return size

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(batches.run, [compute] * 2)) == [4, 4]
    assert sorted(tried) == [4, 4, 8, 8]


def test_threads_whose_smallest_batches_do_not_fit_together_take_turns(out_of_memory):
    batches, computing = BatchRunner("tiles of {} pixels", (2,), [abs]), []
    together = threading.Barrier(3, timeout=10)
    waited = set()

    def compute(function, size):
        computing.append(size)
        try:
            if threading.get_ident() not in waited:
                waited.add(threading.get_ident())
                together.wait()
            return out_of_memory() if len(computing) > 1 else size
        finally:
            time.sleep(0.01)
            computing.pop()

    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(batches.run, [compute] * 3)) == [2, 2, 2]


def test_other_errors_are_passed_on():
    batches = BatchRunner("tiles of {} pixels", (4, 2), [abs])
    with pytest.raises(ZeroDivisionError):
        batches.run(lambda function, size: 1 / 0)
