"""What is distributed is whole: the source distribution, the wheel that is built from it, and the
release, one archive for the CellProfiler application."""

import filecmp
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from build_release import LARGEST
from build_release import build as build_release

ROOT = Path(__file__).resolve().parent.parent
NOT_DISTRIBUTED = (".ci/", ".dockerignore", ".github/", ".gitignore", ".pre-commit-config.yaml")
"""What only a clone needs."""
GENERATED = ("PKG-INFO", "setup.cfg", "cellprofiler_focus_darkfield.egg-info/")
"""What setuptools adds to a source distribution."""
PACKAGED = {
    "focusqual/": "focusqual/",
    "segment/": "segment/",
    "cluster_workflow/": "cluster_workflow/",
    "micrograph_networks/": "micrograph_networks/",
    "model_weights/": "model_weights/",
    "plugins/": "cellprofiler_focus_darkfield/",
}
"""Folders of the repository, and their names in the wheel."""
RELEASED = ("plugins/", "focusqual/", "segment/", "micrograph_networks/", "model_weights/")
"""Folders that the release has as a whole."""


@pytest.fixture(scope="module")
def tracked():
    """The files of the repository as git lists them."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed: it lists what has to be distributed")
    command = ["git", "ls-files", "-z"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    names = [name for name in result.stdout.split("\0") if (ROOT / name).is_file()]
    if not names:
        pytest.skip(f"{ROOT} is no clone: git cannot list what has to be distributed")
    return names


def build(kind, source, target):
    """Build in a folder of its own, without a network, by the setuptools that is installed."""
    code = f"from setuptools import build_meta; build_meta.build_{kind}(r'{target}')"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=source, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stderr
    (built,) = [path for path in target.iterdir() if path.suffix in (".gz", ".whl")]
    return built


@pytest.fixture(scope="module")
def source(tracked, tmp_path_factory):
    """The source distribution, unpacked."""
    pytest.importorskip("setuptools")
    clone = tmp_path_factory.mktemp("clone")
    for name in tracked:
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, clone / name)
    target = tmp_path_factory.mktemp("sdist")
    with tarfile.open(build("sdist", clone, target)) as archive:
        archive.extractall(target)
    (folder,) = [path for path in target.iterdir() if path.is_dir()]
    return folder


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    pytest.importorskip("wheel")  # setuptools before 70.1 builds no wheels without it
    with zipfile.ZipFile(build("wheel", source, tmp_path_factory.mktemp("wheel"))) as archive:
        yield archive


def files(folder):
    paths = folder.rglob("*")
    return {path.relative_to(folder).as_posix() for path in paths if path.is_file()}


def test_the_source_distribution_holds_what_git_does(source, tracked):
    distributed = {name for name in tracked if not name.startswith(NOT_DISTRIBUTED)}
    found = {name for name in files(source) if not name.startswith(("build/", *GENERATED))}
    assert found == distributed


def test_the_wheel_holds_the_packages_the_modules_and_the_weights(wheel, tracked):
    expected = {
        packaged + name[len(folder) :]: ROOT / name
        for folder, packaged in PACKAGED.items()
        for name in tracked
        if name.startswith(folder)
    }
    assert {name for name in wheel.namelist() if ".dist-info/" not in name} == set(expected)
    assert [name for name, path in expected.items() if wheel.read(name) != path.read_bytes()] == []


def test_the_metadata_name_the_license_of_the_weights(wheel):
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    metadata = wheel.read(name).decode()
    (license,) = [line for line in metadata.splitlines() if line.startswith("License: ")]
    assert "BSD-3-Clause" in license
    assert "CC-BY-NC-4.0 (dark-field weights" in license
    assert any(name.endswith("/LICENSE") for name in wheel.namelist())


def test_the_release_holds_the_modules_and_what_they_need(tracked, tmp_path):
    path = build_release(tmp_path / "release")
    assert path.stat().st_size < LARGEST == 100_000_000
    with zipfile.ZipFile(path) as archive:
        texts = {name.split("/", 1)[1]: archive.read(name) for name in archive.namelist()}
    assert {name.split("/")[0] for name in archive.namelist()} == {path.stem}
    page = texts.pop("README.html").decode()
    pictures = {name for name in texts if name.startswith("pictures/")}
    assert pictures == set(re.findall(r'src="([^"]+)"', page))
    assert all(len(texts.pop(name)) < 600_000 for name in pictures)
    expected = {name for name in tracked if name.startswith(RELEASED)}
    expected |= {name for name in tracked if name.endswith(".cppipe")}
    assert set(texts) == {*expected, "LICENSE", "CITATION.cff"}
    assert [name for name, text in texts.items() if (ROOT / name).read_bytes() != text] == []


def test_the_release_has_the_same_bytes_each_time(tmp_path, monkeypatch):
    first = build_release(tmp_path / "first")
    copied = tmp_path / "copied"
    for folder in (*RELEASED, "example_pipelines", "release", "docs"):
        ignored = shutil.ignore_patterns("__pycache__", "_build")
        # copy: with times and permissions of their own
        shutil.copytree(
            ROOT / folder, copied / folder, copy_function=shutil.copyfile, ignore=ignored
        )
    for name in ("LICENSE", "CITATION.cff"):
        shutil.copyfile(ROOT / name, copied / name)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    script = copied / "release" / "build_release.py"
    subprocess.run([sys.executable, script, tmp_path / "second"], check=True, capture_output=True)
    assert filecmp.cmp(first, tmp_path / "second" / first.name, shallow=False)
