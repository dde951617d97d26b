import pytest

from micrograph_networks import progress
from micrograph_networks.progress import counted, duration, follow


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(12.3, "12 s"), (60, "1 min"), (3599, "1 h 0 min"), (4800, "1 h 20 min")],
)
def test_durations_are_rounded(seconds, text):
    assert duration(seconds) == text


def test_numbers_have_their_nouns():
    assert [counted(number, "image") for number in (0, 1, 2)] == ["0 images", "1 image", "2 images"]


def test_a_log_has_a_line_a_minute_with_the_time_left(monkeypatch, capsys):
    now = iter(range(0, 1000, 25))  # an item takes 25 seconds
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    assert list(follow("abcdefgh", "image")) == list("abcdefgh")
    assert capsys.readouterr().err.splitlines() == [
        "3 of 8 images, about 2 min left",
        "6 of 8 images, about 50 s left",
    ]


def test_a_terminal_has_a_bar(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert list(follow(iter("ab"), "image", 2)) == ["a", "b"]
    assert "2/2" in capsys.readouterr().err
