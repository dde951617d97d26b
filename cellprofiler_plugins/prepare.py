"""Add the modules to a clone of CellProfiler-plugins, for a pull request with each release.

    git clone https://github.com/CellProfiler/CellProfiler-plugins.git CLONE
    python cellprofiler_plugins/prepare.py CLONE ADDRESS
    git -C CLONE diff

CLONE is the folder of the clone. ADDRESS is the address from which git fetches this project; tag
the release there first. The clone gets the modules, an extra in setup.py that installs the same
version of this project, a row for each module in the list of plugins, and the unit tests of the
folder tests/ next to this file. To run them:

    pip install -e "CLONE[focus_darkfield]"
    python -m pytest CLONE/tests/test_measureimagefocusquality.py
    python -m pytest CLONE/tests/test_segmentdarkfieldcells.py
"""

import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from micrograph_networks import __version__  # noqa: E402

FLAG = "focus_darkfield"
"""Name of the extra in the clone's setup.py."""
TABLE = "documentation/CP-plugins-documentation/supported_plugins.md"
"""Page of the clone with a row for each plugin."""


def main() -> None:
    """Read the arguments and change the clone."""
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    clone, address = Path(sys.argv[1]), sys.argv[2]
    setup, table = clone / "setup.py", clone / TABLE
    plugins = sorted((ROOT / "plugins").glob("*.py"))
    try:
        changed = {
            setup: _with_extra(setup.read_text(), address),
            table: _with_rows(table.read_text(), plugins),
        }
    except OSError as error:
        sys.exit(f"{clone} is not a clone of CellProfiler-plugins: it has no {error.filename}.")
    for path, text in changed.items():
        path.write_text(text, encoding="utf-8")
    for plugin in plugins:
        shutil.copy(plugin, clone / "active_plugins")
        shutil.copy(Path(__file__).parent / "tests" / f"test_{plugin.name}", clone / "tests")
    print(f"Done. Check 'git -C {clone} diff' and commit.")


def _with_extra(text: str, address: str) -> str:
    """Return the clone's setup.py with our extra."""
    requirement = f"cellprofiler-focus-darkfield[cpu] @ git+{address}@v{__version__}"
    listed = rf'\g<1>{FLAG}_deps = [\n\g<1>    "{requirement}"\n\g<1>]\n\n\g<0>'
    text, lists = re.subn(r"^( *)setup\(", listed, text, count=1, flags=re.M)
    entry = rf'\g<0>\n          "{FLAG}": {FLAG}_deps,'
    text, entries = re.subn(r"extras_require *= *\{", entry, text, count=1)
    if not (lists and entries) or text.count(f'"{FLAG}"') > 1:
        sys.exit("The clone's setup.py has no place for the extra, or has it: take a fresh clone.")
    return text


def _with_rows(text: str, plugins: list) -> str:
    """Return the clone's table of plugins with our rows, sorted."""
    lines = text.splitlines()
    rows = [number for number, line in enumerate(lines) if line.startswith("|")]
    if len(rows) < 3:
        sys.exit(f"The clone's {TABLE} has no table of plugins: add the rows by hand.")
    first, last = rows[0] + 2, rows[-1] + 1
    all_rows = sorted(lines[first:last] + [_row(plugin) for plugin in plugins], key=str.casefold)
    return "\n".join([*lines[:first], *all_rows, *lines[last:], ""])


def _row(plugin: Path) -> str:
    """Return the row of a plugin, with the first paragraph of its help."""
    text = plugin.read_text(encoding="utf-8")
    name, about = re.search(r"^\*\*(\w+)\*\* (.*?)\n\n", text, re.M | re.S).groups()
    return f"| {name} | {name} {' '.join(about.split())} | Yes | `{FLAG}` | No |"


if __name__ == "__main__":
    main()
