"""Drive CellProfiler's window by a scenario, and write what it shows to a JSON file.

    python application.py SCENARIO FOLDER

The steps of a scenario (see scenarios.py) call the handlers of CellProfiler's menus and buttons.
Boxes that wait for an answer are replaced. CellProfiler passes floats to functions of wx that take
only integers with Python 3.10 and newer, so these are replaced, too.
"""

import faulthandler
import json
import os
import subprocess
import sys
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
TICK = 100
"""Milliseconds between two checks of what a step waits for."""
LONGEST_STEP = 120
"""Maximum time of a step in seconds."""


def take_floats(wx):
    """Let functions of wx that CellProfiler calls with floats accept them."""

    def whole(value):
        return int(value) if isinstance(value, float) else value

    def accepting(function):
        def call(*arguments, **named):
            named = {name: whole(value) for name, value in named.items()}
            return function(*map(whole, arguments), **named)

        return call

    for kind in (wx.Point, wx.Size, wx.Rect):
        kind.__init__ = accepting(kind.__init__)
    wx.Gauge.SetValue = accepting(wx.Gauge.SetValue)
    wx.DC.DrawText = accepting(wx.DC.DrawText)


class Window:
    """The running application.

    Attributes
    ----------
    seen : dict
        What the scenario records.
    folder : Path
        Folder for seen.json and pictures.
    """

    def __init__(self, folder):
        import wx

        self.folder = folder
        self.seen = {"boxes": [], "failure": None}
        self._replace_boxes(wx)

    def _replace_boxes(self, wx):
        import cellprofiler.gui.dialog

        def message_box(message, caption="", *_, **__):
            self.seen["boxes"].append(f"{caption}: {message}")
            return wx.YES

        class Error:
            def __init__(dialog, caption, message):
                self.seen["boxes"].append(f"{caption}: {message}")
                dialog.status = wx.ID_CANCEL

        wx.MessageBox = message_box
        cellprofiler.gui.dialog.Error = Error

    @property
    def frame(self):
        import wx

        return wx.GetApp().frame

    @property
    def controller(self):
        return self.frame.pipeline_controller

    @property
    def pipeline(self):
        return self.frame.pipeline

    def figures(self):
        """Return CellProfiler's figures by the first word of their title."""
        import wx
        from cellprofiler.gui.figure import Figure

        return {
            window.GetTitle().split(" ")[0]: window
            for window in wx.GetTopLevelWindows()
            if isinstance(window, Figure)
        }

    def modules(self, name):
        """Return the modules with a name in the pipeline."""
        return [m for m in self.pipeline.modules(exclude_disabled=False) if m.module_name == name]

    def tooltip(self, setting):
        """Return the message of a setting that the window marks in yellow or red, or None."""
        from cellprofiler.gui.utilities.module_view import text_control_name

        label = self.frame.module_view.module_panel.FindWindowByName(text_control_name(setting))
        return label.GetToolTipText() or None

    @staticmethod
    def cells_of_grid(figure):
        """Return the texts of the table in a figure, and whether all are visible."""
        grid = figure.widgets[-1][-1]
        shape = range(grid.GetNumberRows()), range(grid.GetNumberCols())
        visible = all(grid.IsVisible(row, col) for row in shape[0] for col in shape[1])
        return {
            "columns": [grid.GetColLabelValue(col) for col in shape[1]],
            "rows": [[grid.GetCellValue(row, col) for col in shape[1]] for row in shape[0]],
            "visible": visible,
        }

    def photograph(self, window, name):
        """Take a picture of a window on the screen."""
        window.Raise()
        window.Refresh()
        window.Update()
        yield 500
        subprocess.run(
            ["import", "-window", hex(window.GetHandle()), self.folder / f"{name}.png"], check=True
        )

    def run(self, steps):
        """Run a generator of steps. It yields a time in ms, or a function to wait for."""
        import wx

        def go_on(condition=None, until=None):
            try:
                if condition is not None and not condition():
                    if time.monotonic() > until:
                        raise TimeoutError("what a step waits for did not happen")
                    wx.CallLater(TICK, go_on, condition, until)
                    return
                wait = next(steps)
            except StopIteration:
                self.end()
            except BaseException:
                self.seen["failure"] = traceback.format_exc()
                self.end()
            if callable(wait):
                wx.CallLater(TICK, go_on, wait, time.monotonic() + LONGEST_STEP)
            else:
                wx.CallLater(max(wait, 1), go_on)

        wx.CallLater(500, go_on)

    def end(self):
        """Write what was seen and exit, because CellProfiler would ask questions."""
        (self.folder / "seen.json").write_text(json.dumps(self.seen, indent=1))
        os._exit(0)


def main(scenario, folder):
    """Start CellProfiler and run a scenario."""
    faulthandler.dump_traceback_later(300, exit=True)
    folder = Path(folder)
    sys.argv[1:] = []
    import matplotlib

    matplotlib.use("WXAgg")
    import wx
    import wx.html  # before App is created, which hangs otherwise

    take_floats(wx)
    from cellprofiler_core import preferences

    preferences.set_awt_headless(True)
    preferences.set_telemetry(False)
    preferences.set_telemetry_prompt(False)
    preferences.set_startup_blurb(False)
    preferences.set_show_analysis_complete_dlg(False)
    preferences.set_show_exiting_test_mode_dlg(False)
    preferences.set_plugin_directory(str(ROOT / "plugins"))
    preferences.set_max_workers(2)
    preferences.set_default_output_directory(str(folder))
    preferences.set_default_image_directory(str(folder))
    from cellprofiler.gui.app import App

    app = App(0, workspace_path=None, pipeline_path=None)
    window = Window(folder)
    import scenarios

    window.run(getattr(scenarios, scenario)(window))
    app.MainLoop()


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    finally:  # Java's and CellProfiler's threads would keep the process alive
        traceback.print_exc()
        os._exit(1)
