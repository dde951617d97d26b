"""Put the modules into a clone of CellProfiler-plugins, as its pull request.

    python cellprofiler_plugins/prepare.py CLONE ADDRESS

CLONE is the folder of the clone, ADDRESS that from which git fetches this project. Afterwards
``git -C CLONE diff`` is what is sent.
"""

import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from micrograph_networks import __version__  # noqa: E402
from micrograph_networks.products import PRODUCTS  # noqa: E402

FLAG = "focus_darkfield"
"""Of the extra there."""
TABLE = "documentation/CP-plugins-documentation/supported_plugins.md"
"""The page of that repository with a row a plugin."""


def main() -> None:
    """Read the arguments, and change the clone."""
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    clone, address = Path(sys.argv[1]), sys.argv[2]
    setup, table = clone / "setup.py", clone / TABLE
    try:
        changed = {setup: _setup(setup.read_text(), address), table: _rows(table.read_text())}
    except OSError as error:
        sys.exit(f"{clone} is no clone of CellProfiler-plugins: it has no {error.filename}.")
    for path, text in changed.items():
        path.write_text(text, encoding="utf-8")
    for product in PRODUCTS:
        name = f"{product.module.lower()}.py"
        shutil.copy(ROOT / "plugins" / name, clone / "active_plugins" / name)
        test = f"test_{name}"
        shutil.copy(Path(__file__).parent / "tests" / test, clone / "tests" / test)
    print(f"Done: look at 'git -C {clone} diff', and commit.")


def _setup(text: str, address: str) -> str:
    """Their setup.py with our extra."""
    requirement = f"cellprofiler-focus-darkfield[cpu] @ git+{address}@v{__version__}"
    listed = rf'\g<1>{FLAG}_deps = [\n\g<1>    "{requirement}"\n\g<1>]\n\n\g<0>'
    text, lists = re.subn(r"^( *)setup\(", listed, text, count=1, flags=re.M)
    entry = rf'\g<0>\n          "{FLAG}": {FLAG}_deps,'
    text, entries = re.subn(r"extras_require *= *\{", entry, text, count=1)
    if not (lists and entries) or text.count(f'"{FLAG}"') > 1:
        sys.exit("The clone's setup.py has no place for the extra, or has it: take a fresh clone.")
    return text


def _rows(text: str) -> str:
    """Their table with our rows, in its order."""
    lines = text.splitlines()
    rows = [number for number, line in enumerate(lines) if line.startswith("|")]
    if len(rows) < 3:
        sys.exit(f"The clone's {TABLE} has no table of plugins: add the rows by hand.")
    first, last = rows[0], rows[-1]
    ours = [f"| {p.module} | {_about(p.module)} | Yes | `{FLAG}` | No |" for p in PRODUCTS]
    sorted_rows = sorted(lines[first + 2 : last + 1] + ours, key=str.casefold)
    return "\n".join([*lines[: first + 2], *sorted_rows, *lines[last + 1 :], ""])


def _about(module: str) -> str:
    """The first sentences of a module's help."""
    text = (ROOT / "plugins" / f"{module.lower()}.py").read_text(encoding="utf-8")
    (paragraph,) = re.findall(rf"^\*\*({module}\*\* .*?)\n\n", text, re.M | re.S)
    return " ".join(paragraph.replace("**", "").split())


if __name__ == "__main__":
    main()
