"""Some of the cases of benchmarks/faults."""

import fuzz_readers
import mutated
import processes
import pytest
from faults import DAMAGED, damaging
from products import PRODUCTS

SEED = 1
FOCUS = PRODUCTS[0]


@pytest.fixture(scope="module")
def originals_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("originals")


@pytest.fixture(scope="module")
def isolated(originals_folder):
    with damaging(originals_folder) as isolated:
        yield isolated


@pytest.mark.parametrize("number", range(2 * len(DAMAGED)))
def test_damaged_input_is_refused_or_read_whole(isolated, originals_folder, number):
    _, kind, arguments = DAMAGED[number % len(DAMAGED)]
    outcome = isolated.call(mutated.case, originals_folder, number, SEED, kind, arguments)
    assert outcome in (mutated.REFUSED, mutated.WHOLE)


@pytest.mark.parametrize("number", range(10 * len(fuzz_readers.KINDS)))
def test_damaged_image_is_read_or_refused(tmp_path, number):
    kind = fuzz_readers.KINDS[number % len(fuzz_readers.KINDS)]
    if kind is fuzz_readers.zarr_metadata:
        pytest.importorskip("zarr")
    assert fuzz_readers.run(kind, tmp_path / "case", SEED, number) in ("read", "refused")


def test_killed_command_leaves_complete_files_and_is_repeated(tmp_path):
    done = list(processes.killed_predict(tmp_path, FOCUS))
    assert done == [*5 * ["kill-before"], "kill-after"]


def test_two_commands_at_once_write_the_same(tmp_path):
    assert list(processes.two_predict(tmp_path, FOCUS)) == 2 * ["succeeded"]


def test_unreadable_image_does_not_take_the_others_down(tmp_path):
    assert list(processes.always_continue(tmp_path, FOCUS)) == ["went on"]
