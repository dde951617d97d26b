import sys
from types import SimpleNamespace

import pytest

from micrograph_networks.cellprofiler import dialogs


@pytest.fixture
def window(monkeypatch):
    """Stand-in for wx: the answer to the dialog, and what it showed."""
    shown = SimpleNamespace(answer=1, asked=None, told=None)

    class FileDialog:
        def __init__(self, parent, question, style):
            shown.asked = question, style

        def __enter__(self):
            return self

        def __exit__(self, *error):
            shown.closed = True

        def ShowModal(self):
            return shown.answer

        def GetPath(self):
            return "/data/a.tif"

    def tell(message, title):
        shown.told = message, title

    wx = SimpleNamespace(
        FileDialog=FileDialog, MessageBox=tell, ID_OK=1, FD_OPEN=2, FD_FILE_MUST_EXIST=4
    )
    monkeypatch.setitem(sys.modules, "wx", wx)
    return shown


def test_user_chooses_a_file_or_cancels(window):
    assert dialogs.choose_file("Choose an image") == "/data/a.tif"
    assert window.asked == ("Choose an image", 6)
    assert window.closed
    window.answer = 2
    assert dialogs.choose_file("Choose an image") is None


def test_user_is_told(window):
    dialogs.tell("Found nothing.", "Read the optics")
    assert window.told == ("Found nothing.", "Read the optics")
