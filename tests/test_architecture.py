"""Packages import only packages below them, as CONTRIBUTING.md shows."""

import ast
import re

import pytest
from sources import ROOT, import_statements, imported

SHARED = "micrograph_networks"
FRAMEWORKS = r"(tensorflow|keras)\b"
CELLPROFILER = r"cellprofiler\w*\b"
GENERATED = {"build", "demo", "dist", "mutants"}
FORBIDDEN = [
    # A folder, and names that nothing in it may import.
    ("plugins", FRAMEWORKS),
    ("focusqual", rf"segment\b|{CELLPROFILER}"),
    ("focusqual/inference", rf"{FRAMEWORKS}|focusqual\.(?!inference|levels|optics)\w+\."),
    ("focusqual/simulation", rf"{FRAMEWORKS}|focusqual\.(training|evaluation|report|commandline)"),
    ("focusqual/evaluation", rf"{FRAMEWORKS}|focusqual\.(training|report|commandline)"),
    ("segment", rf"focusqual\b|{CELLPROFILER}"),
    ("segment/inference", rf"{FRAMEWORKS}|segment\.(?!inference|classes)\w+\."),
    ("segment/simulation", rf"{FRAMEWORKS}|segment\.(training|evaluation|commandline)"),
    ("segment/evaluation", rf"{FRAMEWORKS}|segment\.(training|commandline)"),
    (SHARED, r"focusqual\b|segment\b"),
    (f"{SHARED}/engines", rf"{CELLPROFILER}|{SHARED}\.(models|commandline|training|export)"),
    (f"{SHARED}/models", rf"{CELLPROFILER}|{FRAMEWORKS}|{SHARED}\.(commandline|training|export)"),
    (f"{SHARED}/images", rf"{CELLPROFILER}|{FRAMEWORKS}|{SHARED}\.(engines|models|commandline)"),
    (f"{SHARED}/training", CELLPROFILER),
]


def names_imported_in(folder):
    for path in sorted((ROOT / folder).rglob("*.py")):
        for statement in import_statements(ast.parse(path.read_text("utf-8"))):
            for name in imported(statement):
                yield path.relative_to(ROOT).as_posix(), name


@pytest.mark.parametrize(("folder", "forbidden"), FORBIDDEN)
def test_packages_import_only_what_is_below_them(folder, forbidden):
    names = list(names_imported_in(folder))
    assert names
    assert [(file, name) for file, name in names if re.match(forbidden, name)] == []


def test_only_engines_are_imported_by_name():
    folders = ("plugins", "focusqual", "segment", SHARED)
    imports = [found for folder in folders for found in names_imported_in(folder)]
    files = {file for file, name in imports if re.match(r"importlib(?!\.metadata)", name)}
    assert all(file.startswith(f"{SHARED}/engines/") for file in files)


def test_contributing_names_every_folder_and_only_files_that_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    paths = re.findall(r"`([\w.]+/[\w./]*)`", text)
    ours = [path for path in paths if (ROOT / path.split("/")[0]).is_dir()]
    assert [path for path in ours if not (ROOT / path).exists()] == []
    folders = {
        path.parent.name for path in ROOT.glob("[a-z]*/*") if path.suffix in (".py", ".md", ".ijm")
    }
    assert folders - GENERATED <= {path.split("/")[0] for path in ours}
