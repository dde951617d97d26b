"""A few of the cases that faults.py runs by the thousand."""

import mutated
import processes
import pytest
from faults import DAMAGED, FILES, damaging

SEED = 1


@pytest.fixture(scope="module")
def originals_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("originals")


@pytest.fixture(scope="module")
def isolated(originals_folder):
    with damaging(originals_folder) as isolated:
        yield isolated


@pytest.mark.parametrize("number", range(3 * len(DAMAGED)))
def test_damaged_input_is_refused_or_read_whole(isolated, originals_folder, number):
    _, kind, arguments = DAMAGED[number % len(DAMAGED)]
    outcome = isolated.call(mutated.case, originals_folder, number, SEED, kind, arguments)
    assert outcome in (mutated.REFUSED, mutated.WHOLE)


def test_killed_command_leaves_whole_files_and_is_repeated(tmp_path):
    done = list(processes.killed_predict(tmp_path, "focusqual", FILES["focusqual"]))
    assert done == FILES["focusqual"] * ["kill-before", "kill-after"]


def test_two_commands_at_once_write_the_same(tmp_path):
    assert list(processes.two_predict(tmp_path, "focusqual")) == 2 * ["succeeded"]


def test_unreadable_image_does_not_take_the_others_down(tmp_path):
    assert list(processes.always_continue(tmp_path, "focusqual")) == ["went on"]
