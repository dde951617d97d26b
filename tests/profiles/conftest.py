from pathlib import Path

from cellprofiler_core import preferences

# cellprofiler_core.modules loads all modules and plugins when it is imported, as the tests do next.
preferences.set_headless()
preferences.set_plugin_directory(str(Path(__file__).resolve().parent.parent.parent / "plugins"))
