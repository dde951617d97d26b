"""Build the release archive, with which the modules run in the CellProfiler application.

    python release/build_release.py [FOLDER]

The default folder is dist/. The same files always give the same bytes: nothing in the archive
depends on the date, the machine, or the order of files.
"""

import re
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("plugins", "focusqual", "segment", "micrograph_networks", "model_weights")
"""Folders that are included completely."""
PATTERNS = ("example_pipelines/*.cppipe", "LICENSE", "CITATION.cff")
PAGE = {
    "README.html": "release/README.html",
    "pictures/focus.png": "docs/focus.png",
    "pictures/darkfield.png": "docs/darkfield.png",
}
"""Page for users and its pictures: names in the archive and in the repository."""
CHARTS = ROOT / "micrograph_networks" / "files" / "vega.js"
"""Chart library, which is not in the repository: setup.py makes it."""
LARGEST = 100_000_000
"""Maximum size of the archive in bytes."""


def main(folder=ROOT / "dist"):
    """Build the archive and print its path."""
    target = build(Path(folder))
    size = target.stat().st_size
    if size > LARGEST:
        target.unlink()
        sys.exit(f"The release has {size} bytes, but at most {LARGEST} are allowed.")
    print(f"{target}: {size / 1e6:.0f} MB")


def build(folder):
    """Build the archive.

    Parameters
    ----------
    folder : Path
        Folder for the archive. It is created if it does not exist.

    Returns
    -------
    Path
        Path of the archive.
    """
    if not CHARTS.is_file():
        sys.exit(f"{CHARTS} does not exist: run 'pip install --editable .' first.")
    folder.mkdir(parents=True, exist_ok=True)
    name = f"cellprofiler-focus-darkfield-{version()}"
    target = folder / f"{name}.zip"
    with zipfile.ZipFile(target, "w") as archive:
        for inside, path in sorted(contents().items()):
            # No compression, whose bytes differ between libraries, and fixed time and permissions.
            entry = zipfile.ZipInfo(f"{name}/{inside}", (1980, 1, 1, 0, 0, 0))
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, path.read_bytes())
    return target


def version():
    """Return the version of the packages without importing them."""
    text = (ROOT / "micrograph_networks/__init__.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "(.+)"$', text, re.M)[1]


def contents():
    """Return the paths of all files of the archive by their names in it."""
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
