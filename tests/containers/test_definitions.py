"""Dockerfile and Apptainer's definition: they say the same, and name no versions of their own."""

import re

from chroot import DOCKERFILE, ROOT, files_taken

FOLDER = ROOT / "containers"
DOCKER = DOCKERFILE.read_text()
APPTAINER = (FOLDER / "cellprofiler.def").read_text()


def section(name):
    """Lines of a section of Apptainer's definition, without their indentation."""
    text = re.search(rf"^%{name}\n((?: .*\n)+)", APPTAINER, re.M)[1]
    return [line.strip() for line in text.splitlines()]


def test_both_say_the_same():
    instructions = re.findall("^([A-Z]+) (.+)$", DOCKER, re.M)
    said = {name: [] for name, _ in instructions}
    for name, text in instructions:
        said[name].append(text)
    assert said["FROM"] == re.findall("^From: (.+)$", APPTAINER, re.M)
    assert said["RUN"] == section("post")
    assert {f"export {line}" for line in said["ENV"]} == set(section("environment")[:-1])
    assert said["ENTRYPOINT"] == ['["cellprofiler"]']
    assert section("runscript") == ['exec cellprofiler "$@"']
    (home,) = [line.split()[-1] for line in said["COPY"]]
    assert section("files") == [f"{name} {home}/{name}" for name in files_taken()]


def test_the_list_of_files_has_all_that_is_installed():
    """What setup.py names, and what the image calls, is there."""
    taken = set(files_taken())
    assert {path for path in taken if not (ROOT / path).exists()} == set()
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages - {"tests"} <= taken
    assert set(re.findall(r'text\("([^"/]+)"\)', (ROOT / "setup.py").read_text())) <= taken


def test_all_versions_are_those_of_the_lock():
    text = "".join(path.read_text() for path in FOLDER.rglob("*") if path.is_file())
    assert re.findall(r"\w==[\d.]+", text) == []
