"""The Dockerfile and Apptainer's definition are equivalent and name no versions."""

import re

from chroot import DOCKERFILE, ROOT, files_taken

FOLDER = ROOT / "containers"
DOCKER = DOCKERFILE.read_text()
APPTAINER = (FOLDER / "cellprofiler.def").read_text()


def section(name):
    """Return the lines of a section of Apptainer's definition without indentation."""
    text = re.search(rf"^%{name}\n((?: .*\n)+)", APPTAINER, re.M)[1]
    return [line.strip() for line in text.splitlines()]


def test_both_are_equivalent():
    instructions = re.findall("^([A-Z]+) (.+)$", DOCKER, re.M)
    stated = {name: [] for name, _ in instructions}
    for name, text in instructions:
        stated[name].append(text)
    assert stated["FROM"] == re.findall("^From: (.+)$", APPTAINER, re.M)
    assert stated["RUN"] == section("post")
    assert {f"export {line}" for line in stated["ENV"]} == set(section("environment")[:-1])
    assert stated["ENTRYPOINT"] == ['["cellprofiler"]']
    assert section("runscript") == ['exec cellprofiler "$@"']
    (home,) = [line.split()[-1] for line in stated["COPY"]]
    assert section("files") == [f"{name} {home}/{name}" for name in files_taken()]


def test_all_installed_files_are_included():
    taken = set(files_taken())
    assert {path for path in taken if not (ROOT / path).exists()} == set()
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages - {"tests"} <= taken
    assert set(re.findall(r'text\("([^"/]+)"\)', (ROOT / "setup.py").read_text())) <= taken


def test_all_versions_are_those_of_the_lock():
    text = "".join(path.read_text() for path in FOLDER.rglob("*") if path.is_file())
    assert re.findall(r"\w==[\d.]+", text) == []
