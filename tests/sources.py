"""Source files that the modules may run in CellProfiler, and their imports."""

import ast
from pathlib import Path

from products import PRODUCTS

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("micrograph_networks", *(product.package for product in PRODUCTS))
BY_NAME = ("micrograph_networks/engines/*.py", "*/inference/network.py")
"""Files that are imported by a name made at run time."""


def module_sources():
    """Return path and syntax tree of the plugins and of all files that they import.

    Imports in functions count, because they may be run.
    """
    waiting = [path for pattern in ("plugins/*.py", *BY_NAME) for path in ROOT.glob(pattern)]
    trees = {}
    while waiting:
        path = waiting.pop()
        if path not in trees:
            trees[path] = ast.parse(path.read_text("utf-8"))
            waiting += [
                file
                for statement in import_statements(trees[path])
                for name in imported(statement)
                for file in files_of(name)
            ]
    return trees


def import_statements(tree):
    return [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]


def imported(statement):
    """Return the full names that a statement imports, of modules or of objects in modules."""
    names = [alias.name for alias in statement.names]
    if isinstance(statement, ast.Import):
        return names
    assert statement.level == 0, "our imports are absolute"
    return [f"{statement.module}.{name}" for name in names]


def files_of(name):
    """Return the files of ours that an import runs: of the module and of its packages."""
    parts = name.split(".")
    if parts[0] not in PACKAGES:
        return []
    folders = [ROOT.joinpath(*parts[: i + 1]) for i in range(len(parts))]
    found = [file for f in folders for file in (f / "__init__.py", f.with_suffix(".py"))]
    return [file for file in found if file.is_file()]
