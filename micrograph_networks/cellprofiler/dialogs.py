"""Dialogs of CellProfiler's window. Without a window wx may be missing, so it is imported late."""

from typing import Optional


def choose_file(question: str) -> Optional[str]:
    """Let the user choose a file; return its path, or None if the user cancels."""
    import wx

    with wx.FileDialog(None, question, style=wx.FD_OPEN | wx.FD_FILE_MUST_EXIST) as dialog:
        return dialog.GetPath() if dialog.ShowModal() == wx.ID_OK else None


def tell(message: str, title: str) -> None:
    """Show a message until the user closes it."""
    import wx

    wx.MessageBox(message, title)
