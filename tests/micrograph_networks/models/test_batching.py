import logging

import pytest

from micrograph_networks.errors import UserError
from micrograph_networks.models.batching import BatchRunner


class Function:
    """Of a network on a device."""

    def __init__(self, place):
        self.place = place


def test_pieces_become_smaller_until_memory_suffices(out_of_memory, caplog):
    pieces, tried = BatchRunner("tiles of {} pixels", (8, 4, 2), [abs]), []

    def compute(function, size):
        tried.append((function, size))
        return out_of_memory() if size > 2 else "found"

    assert [pieces.run(compute), pieces.run(compute)] == ["found", "found"]
    assert tried == [(abs, 8), (abs, 4), (abs, 2), (abs, 2)]
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "tiles of 8 pixels: going on with tiles of 4 pixels (OOM" in caplog.messages[0]


def test_too_little_memory_is_said_in_one_sentence(out_of_memory):
    pieces = BatchRunner("tiles of {} pixels", (4, 2), [abs])
    with pytest.raises(UserError, match="not suffice for tiles of 2 pixels: close .* fewer"):
        pieces.run(lambda function, size: out_of_memory())
    assert pieces.run(lambda function, size: size) == 2


def test_after_the_smallest_pieces_comes_the_next_function(out_of_memory, caplog):
    gpu, cpu = Function("on the GPU"), Function("on the CPU")
    pieces = BatchRunner("batches of {}", (2, 1), [gpu, cpu])

    def compute(function, size):
        return out_of_memory() if function is gpu else size

    assert pieces.run(compute) == 2
    assert "batches of 1 on the GPU: going on with batches of 2 on the CPU (" in caplog.messages[-1]


def test_other_errors_are_not_taken_for_a_lack_of_memory():
    pieces = BatchRunner("tiles of {} pixels", (4, 2), [abs])
    with pytest.raises(ZeroDivisionError):
        pieces.run(lambda function, size: 1 / 0)
