"""The source distribution, the wheel built from it, and the archive for the application."""

import filecmp
import importlib.metadata
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import jinja2
import pytest
import yaml
from build_release import FOLDERS, LARGEST
from build_release import build as build_release

ROOT = Path(__file__).resolve().parent.parent
NOT_DISTRIBUTED = (".ci/", ".dockerignore", ".github/", ".gitignore", ".pre-commit-config.yaml")
"""Files that only a clone needs."""
GENERATED = ("PKG-INFO", "setup.cfg", "cellprofiler_focus_darkfield.egg-info/", "build/")
"""Files that setuptools adds to a source distribution."""
BUILT = "micrograph_networks/files/vega.js"
"""File that setup.py makes, and that the wheel and the archive contain."""
RELEASED = tuple(f"{folder}/" for folder in FOLDERS)
"""Folders in the archive for the application."""
PACKAGED = (*RELEASED, "cluster_workflow/")
"""Folders in the wheel, where plugins/ has the name of the plugin package."""


@pytest.fixture(scope="module")
def tracked():
    """Names of the files of the repository, as git lists them."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed: it lists what has to be distributed")
    command = ["git", "ls-files", "-z"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    names = [name for name in result.stdout.split("\0") if (ROOT / name).is_file()]
    if not names:
        pytest.skip(f"{ROOT} is no clone: git cannot list what has to be distributed")
    return names


@pytest.fixture
def clone(tracked, tmp_path):
    """Copy of the files that git lists."""
    folder = tmp_path / "clone"
    for name in tracked:
        copy = folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy)
    return folder


def build(kind, source, target):
    """Build a distribution with the installed setuptools, without a network."""
    code = f"from setuptools import build_meta; build_meta.build_{kind}(r'{target}')"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=source, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stderr
    (built,) = [path for path in target.iterdir() if path.suffix in (".gz", ".whl")]
    return built


def test_source_distribution_and_wheel(tracked, clone, tmp_path):
    for folder in ("sdist", "wheel"):
        (tmp_path / folder).mkdir()
    with tarfile.open(build("sdist", clone, tmp_path / "sdist")) as archive:
        archive.extractall(tmp_path / "sdist")
    (source,) = [path for path in (tmp_path / "sdist").iterdir() if path.is_dir()]
    files = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    found = {name for name in files if not name.startswith(GENERATED)}
    assert found == {name for name in tracked if not name.startswith(NOT_DISTRIBUTED)}

    expected = {
        re.sub("^plugins/", "cellprofiler_focus_darkfield/", name): ROOT / name
        for name in tracked
        if name.startswith(PACKAGED)
    }
    with zipfile.ZipFile(build("wheel", source, tmp_path / "wheel")) as archive:
        texts = {name: archive.read(name) for name in archive.namelist()}
    assert {name for name in texts if ".dist-info/" not in name} == {*expected, BUILT}
    assert [name for name, path in expected.items() if texts[name] != path.read_bytes()] == []
    (metadata,) = [text.decode() for name, text in texts.items() if name.endswith("/METADATA")]
    assert re.search(r"^License: BSD-3-Clause .* CC-BY-NC-4.0 \(dark-field weights", metadata, re.M)
    assert any(name.endswith("/LICENSE") for name in texts)


@pytest.mark.tools
def test_the_wheel_works_in_a_fresh_environment(clone, tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.chdir(tmp_path)

    def run(*command):
        result = subprocess.run(command, capture_output=True, text=True)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    tools, fresh, target = ROOT / ".venv-tools" / "bin", tmp_path / "fresh", tmp_path / "dist"
    run(tools / "python", "-m", "build", "--no-isolation", "--outdir", target, clone)
    (wheel,) = target.glob("*.whl")
    run(tools / "twine", "check", "--strict", *target.iterdir())
    run(tools / "check-wheel-contents", "--config", clone / "pyproject.toml", wheel)
    run(tools / "python", "-m", "venv", fresh)
    run(fresh / "bin" / "python", "-m", "pip", "install", wheel)
    shutil.rmtree(clone)
    found = run(fresh / "bin" / "focusqual", "doctor")
    assert str(fresh) in found
    assert "darkfield_v1 is intact" in found
    run(fresh / "bin" / "segment-darkfield", "scenes", "--count", "1", "--output", "scenes")
    for program in ("focusqual", "segment-darkfield"):
        run(fresh / "bin" / program, "predict", "scenes/images", "--output", program)
        assert list((tmp_path / program).glob("*.csv"))


def test_the_release_has_the_modules_and_what_they_need(tracked, tmp_path):
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
    assert set(texts) == {*expected, BUILT, "LICENSE", "CITATION.cff"}
    assert [name for name, text in texts.items() if (ROOT / name).read_bytes() != text] == []


def test_the_release_has_the_same_bytes_each_time(tmp_path, monkeypatch):
    first = build_release(tmp_path / "first")
    copied = tmp_path / "copied"
    for folder in (*RELEASED, "example_pipelines", "release", "docs"):
        ignored = shutil.ignore_patterns("__pycache__", "_build")
        # Unlike the default, copyfile copies neither times nor permissions.
        shutil.copytree(
            ROOT / folder, copied / folder, copy_function=shutil.copyfile, ignore=ignored
        )
    for name in ("LICENSE", "CITATION.cff"):
        shutil.copyfile(ROOT / name, copied / name)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    script = copied / "release" / "build_release.py"
    subprocess.run([sys.executable, script, tmp_path / "second"], check=True, capture_output=True)
    assert filecmp.cmp(first, tmp_path / "second" / first.name, shallow=False)


def test_the_conda_recipe_has_the_version_and_the_requirements_of_the_package():
    text = (ROOT / "release" / "conda" / "meta.yaml").read_text("utf-8")
    recipe = yaml.safe_load(jinja2.Template(text).render(PYTHON="python"))
    package = importlib.metadata.metadata("cellprofiler-focus-darkfield")
    assert recipe["package"] == {"name": package["Name"], "version": package["Version"]}
    requirements = [f"python{package['Requires-Python']}"]
    requirements += [one for one in package.get_all("Requires-Dist") if "extra ==" not in one]
    in_conda = {one.lower().replace("matplotlib", "matplotlib-base") for one in requirements}
    assert {one.replace(" ", "") for one in recipe["requirements"]["run"]} == in_conda
    scripts = {
        f"{one.name} = {one.value}"
        for one in importlib.metadata.distribution(package["Name"]).entry_points
        if one.group == "console_scripts"
    }
    assert set(recipe["build"]["entry_points"]) == scripts
