"""Make the release: one archive with which the modules run in the CellProfiler application.

    python release/build_release.py [FOLDER]

It is written to dist/ or another folder, and has the same bytes each time that it is made of the
same files: nothing in it depends on the day, the machine, or the order in which files are found.
"""

import re
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("plugins", "focusqual", "segment", "micrograph_networks", "model_weights")
"""Taken as a whole."""
PATTERNS = ("example_pipelines/*.cppipe", "LICENSE", "CITATION.cff")
PAGE = {
    "README.html": "release/README.html",
    "pictures/focus.png": "docs/focus.png",
    "pictures/darkfield.png": "docs/darkfield.png",
}
"""The page for users with its pictures: names in the archive, and in the repository."""
LARGEST = 100_000_000
"""Bytes that the archive may have."""


def main(folder=ROOT / "dist"):
    """Make the archive and print where it is."""
    target = build(Path(folder))
    size = target.stat().st_size
    if size > LARGEST:
        target.unlink()
        sys.exit(f"The release has {size} bytes, more than the {LARGEST} that it may have.")
    print(f"{target}: {size / 1e6:.0f} MB")


def build(folder):
    """Make the archive.

    Parameters
    ----------
    folder : Path
        Made if it does not exist.

    Returns
    -------
    Path
        Of the archive, in that folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = f"cellprofiler-focus-darkfield-{version()}"
    target = folder / f"{name}.zip"
    with zipfile.ZipFile(target, "w") as archive:
        for inside, path in sorted(contents().items()):
            # Neither compressed, as libraries differ in what they make of it, nor with its own
            # time or permissions.
            entry = zipfile.ZipInfo(f"{name}/{inside}", (1980, 1, 1, 0, 0, 0))
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, path.read_bytes())
    return target


def version():
    """Of the packages, which are not imported."""
    text = (ROOT / "micrograph_networks/__init__.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "(.+)"$', text, re.M)[1]


def contents():
    """Path of each file of the archive, by its name there."""
    paths = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
    paths += [path for pattern in PATTERNS for path in ROOT.glob(pattern)]
    files = {
        path.relative_to(ROOT).as_posix(): path
        for path in paths
        if path.is_file() and path.suffix != ".pyc" and not path.name.startswith(".")
    }
    return {**files, **{inside: ROOT / name for inside, name in PAGE.items()}}


if __name__ == "__main__":
    main(*sys.argv[1:])
