"""The command that reports what a bug report needs."""

import contextlib
import json
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Iterator, Tuple

import click
import psutil

from micrograph_networks import __version__
from micrograph_networks.commandline.commands import example
from micrograph_networks.cpus import cpu_share
from micrograph_networks.engines import EngineOptions, chosen_engine
from micrograph_networks.errors import UserError
from micrograph_networks.models.registry import shipped_models, verified_content
from micrograph_networks.progress import counted

HOME = Path(__file__).resolve().parents[2]
"""Folder of the packages: site-packages, or a clone."""
PACKAGES = (
    *("numpy", "scipy", "scikit-image", "h5py", "tifffile", "imagecodecs", "pillow", "matplotlib"),
    *("pandas", "click", "tensorflow", "tensorflow-cpu", "keras"),
    *("cellprofiler", "cellprofiler-core", "cellprofiler-nightly", "cellprofiler-core-nightly"),
)
"""Packages whose versions are reported if they are installed."""
NOT_INSTALLED = "No module named 'cellprofiler_core'"
WIDTH = 13
"""Width of the first column in characters."""


@click.command(epilog=example("focusqual doctor > doctor.txt"))
def doctor() -> None:
    """Check the installation, also of segment-darkfield, and print what a bug report needs.

    Lists the versions, the engine, processors and memory, whether the models are intact, and
    whether CellProfiler, if it is in the same Python, finds both modules. The exit code is 1 if
    something is wrong.
    """
    wrong = False
    for name, text, is_wrong in _findings():
        click.echo(f"{name:{WIDTH}} {'WRONG: ' if is_wrong else ''}{text}")
        wrong = wrong or is_wrong
    if wrong:
        raise click.exceptions.Exit(1)


def _findings() -> Iterator[Tuple[str, str, bool]]:
    """Yield the subject, text, and whether it is wrong, of each finding."""
    yield "Version", f"cellprofiler-focus-darkfield {__version__} in {HOME}", False
    yield "Python", f"{platform.python_version()} in {sys.executable}", False
    yield "System", platform.platform(), False
    yield "Packages", ", ".join(_versions()), False
    yield "Engine", chosen_engine(EngineOptions()), False
    yield "Processors", f"{cpu_share()} of {psutil.cpu_count()} for this process", False
    memory = psutil.virtual_memory()
    free = f"{memory.available / 2**30:.0f} of {memory.total / 2**30:.0f} GiB available"
    yield "Memory", free, False
    for model in shipped_models():
        try:
            verified_content(model)
            yield "Model", f"{model.name} is intact", False
        except UserError as error:
            yield "Model", str(error), True
    yield ("CellProfiler", *_found_by_cellprofiler(_plugins_folder()))


def _versions() -> Iterator[str]:
    for name in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            yield f"{name} {metadata.version(name)}"


def _plugins_folder() -> Path:
    """Return the folder of the modules: next to the packages in a clone, or installed."""
    folder = HOME / "plugins"
    return folder if folder.is_dir() else HOME / "cellprofiler_focus_darkfield"


def _found_by_cellprofiler(folder: Path) -> Tuple[str, bool]:
    """Return which modules CellProfiler finds in a plugins folder, and whether some are wrong."""
    command = [sys.executable, "-m", "micrograph_networks.cellprofiler.plugin_check", str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if NOT_INSTALLED in result.stderr:
        return "not installed in this Python; the command lines do not need it", False
    if result.returncode:
        return f"it does not start: {result.stderr.strip().splitlines()[-1]}", True
    found = json.loads(result.stdout.splitlines()[-1])
    problems = [f"{name}: {problem}" for name, problem in found.items() if problem]
    if problems:
        return f"{folder}: {'; '.join(problems)}", True
    return f"finds {counted(len(found), 'module')} if its plugins directory is {folder}", False
