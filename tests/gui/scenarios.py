import wx

def look(window):
    import cellprofiler.gui.figure
    window.controller.add_paths_to_pathlist(IMAGES)
    yield 500
    yield from window.photograph(window.frame, "frame")
IMAGES = []
