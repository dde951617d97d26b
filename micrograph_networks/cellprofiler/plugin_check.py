"""Load the modules as CellProfiler does, and print the result as JSON.

    python -m micrograph_networks.cellprofiler.plugin_check FOLDER

FOLDER is the plugins folder. The result maps the name of each file of the folder to what is wrong
with its module, which is empty if CellProfiler finds it.
"""

import json
import sys
from pathlib import Path

from cellprofiler_core import preferences


def main(folder: Path) -> None:
    """Print the result for a plugins folder."""
    preferences.set_headless()
    preferences.set_plugin_directory(str(folder))
    import cellprofiler_core.modules  # noqa: F401 - loads all modules and plugins
    from cellprofiler_core.constants.modules import all_modules
    from cellprofiler_core.utilities.core.modules import instantiate_module

    from micrograph_networks.cellprofiler.network_module import NetworkModule

    names = {name.lower(): name for name in all_modules}
    found = {}
    for path in sorted(folder.glob("[!_]*.py")):
        found[path.stem] = "CellProfiler does not load it"
        if path.stem in names:
            module = instantiate_module(names[path.stem])
            found[path.stem] = "" if isinstance(module, NetworkModule) else "it is incomplete"
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
