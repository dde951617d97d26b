"""The commands and code on the pages work. Sphinx checks their links (make docs)."""

import contextlib
import glob
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from itertools import takewhile
from pathlib import Path

import click
import gallery
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from products import PRODUCTS

from focusqual.inference import tables
from focusqual.report.findings import AUDIT_COLUMNS
from focusqual.report.planes import BEST_COLUMNS
from focusqual.report.verdicts import WELL_COLUMNS
from focusqual.simulation.scenes import nuclei
from micrograph_networks.images import acquisition
from micrograph_networks.images.image_files import write_png, write_tiff
from micrograph_networks.images.positions import POSITION_COLUMNS
from micrograph_networks.models.registry import shipped_models
from segment.classes import CLASSES, pixel_classes
from segment.inference.tables import OBJECT_COLUMNS, image_columns
from segment.report.slides import Group

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    path
    for pattern in ("*.md", "docs/**/*.md", "model_weights/*.md")
    for path in sorted(ROOT.glob(pattern))
]

TOOLS = {
    program: product.part("commandline.commands").main
    for product in PRODUCTS
    for program in (product.command, f"python -m {product.package}")
}
"""Command lines by the name that a page uses."""
SCRIPT = r"python example_pipelines/\w+\.py"
TOOL = re.compile(rf"(?:\.venv/bin/)?({'|'.join(TOOLS)}|{SCRIPT})(?= |$)")
BLOCK = re.compile(
    r"^(?P<margin> *)```(?P<language>.*)\n(?P<fenced>(?:.*\n)*?)(?P=margin)```$"
    r"|(?<=\n\n)(?P<indented>(?: {4}.*\n|\n)+)",
    re.M,
)


def pages(paths):
    return pytest.mark.parametrize("page", paths, ids=lambda path: str(path.relative_to(ROOT)))


def blocks(page):
    """Yield language (bash by default) and text of each block of code on a page."""
    for found in BLOCK.finditer(page.read_text()):
        text = found["fenced"] or found["indented"]
        yield found["language"] or "bash", textwrap.dedent(text).replace("\\\n", "")


def commands(text):
    """Yield program and arguments of each line that runs our tools, a script or CellProfiler."""
    for line in text.splitlines():
        tool = TOOL.match(line)
        if tool or line.startswith("cellprofiler "):
            program, line = (tool[1], line[tool.end() :]) if tool else line.split(" ", 1)
            words = shlex.split(line, comments=True)
            yield program, list(takewhile(lambda word: word not in ("|", ">", "&&"), words))


@pages(PAGES)
def test_commands_know_their_options(page):
    shown = [
        (TOOLS[program], arguments)
        for language, text in blocks(page)
        if language in ("bash", "console")
        for program, arguments in commands(text)
        if program in TOOLS
    ]
    for group, (name, *arguments) in shown:
        # --help exits, which is not an error.
        with contextlib.suppress(click.exceptions.Exit):
            group.commands[name].make_context(name, arguments)


def test_every_command_is_shown():
    text = "\n".join(page.read_text() for page in PAGES)
    for program, tool in TOOLS.items():
        shown = set(re.findall(rf"{program} ([a-z-]+)", text))
        assert program.startswith("python") or set(tool.commands) <= shown


COLUMNS = {
    "focus": [*tables.focus_columns(True), "folder", *acquisition.COLUMNS, *POSITION_COLUMNS],
    "patches": [*tables.PATCH_COLUMNS, "folder"],
    "cells": [*OBJECT_COLUMNS, "folder", *POSITION_COLUMNS],
    "images": [
        *image_columns(pixel_classes(CLASSES, {}, {})),
        "pictures",
        "folder",
        *POSITION_COLUMNS,
    ],
    "groups": Group._fields,
    "excluded_wells": WELL_COLUMNS,
    "audit": AUDIT_COLUMNS,
    "best_planes": BEST_COLUMNS,
}
"""Columns of each table of docs/reference/columns/."""


@pytest.mark.parametrize("table", COLUMNS)
def test_the_reference_explains_every_column(table):
    rows = pd.read_csv(ROOT / f"docs/reference/columns/{table}.csv")
    assert rows["column"].tolist() == list(COLUMNS[table])
    assert rows["meaning"].notna().all()


def test_make_targets_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    text = "\n".join(page.read_text() for page in PAGES)
    assert set(re.findall(r"(?:^|`)\s*make ([a-z-]+)", text, re.M)) <= targets


def test_gallery_shows_what_the_modules_report():
    page = (ROOT / "docs/how_to/find_what_is_wrong_with_an_image.md").read_text()
    sections = page.split("\n## ")[1:]
    for section, measure in zip(sections, (gallery.measure_focus, gallery.find_cells)):
        reports, _ = measure()
        for name, values in reports.items():
            (row,) = re.findall(rf"^\| {name} \| (\d.*)$", section, re.M)
            shown = re.findall(r"[\d.]+", " ".join(row.split(" | ")[: len(values)]))
            measured = re.findall(r"[\d.]+", " ".join(values))
            np.testing.assert_allclose(np.array(shown, float), np.array(measured, float), atol=0.05)


def test_accuracies_are_those_of_the_model_cards():
    text = (ROOT / "README.md").read_text()
    items = re.findall(r"^- \[\w+\]\((model_weights/\w+\.md)\)(.+(?:\n  .+)*)", text, re.M)
    for card, claims in items:
        values = re.findall(r"0\.\d+|\d of \d", claims)
        assert values
        assert all(value in (ROOT / card).read_text() for value in values)
    assert len(items) == len(PRODUCTS)


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """Working folder with the files that the pages name."""
    monkeypatch.chdir(tmp_path)
    for name in ("example_pipelines", "plugins", "model_weights"):
        Path(name).symlink_to(ROOT / name)
    plane = "BBBC006/BBBC006_v1_images_z_20"
    for folder in ("plate1", "in_focus", "IMAGES", "stacks", "slide1", "labels", "run", plane):
        Path(folder).mkdir(parents=True)
    image = (1000 * nuclei(np.random.default_rng(0), 200, 1.0)).astype(np.uint16)
    planes = ("stacks/A01_z01", "stacks/A01_z02")
    wells = [f"plate1/p_A{number:02}_s1" for number in range(1, 7)]
    for name in ("image", *wells, "in_focus/a", "IMAGES/a", f"{plane}/a", *planes):
        write_tiff(Path(f"{name}.tif"), image)
    table = "image,stack,position,focus\nA01_z01.tif,A01,0,0\nA01_z02.tif,A01,2,0\n"
    Path("stacks/stacks.csv").write_text(table)
    labels = np.array([[[0, 0, 0], [255, 0, 0], [0, 0, 255]]], np.uint8)
    write_png(Path("labels/a.png"), labels)
    follow_command("segment-darkfield", ["scenes", "--output", ".", "--count", "1"])
    for name in ("blood.png", "slide1/a.png"):
        Path(name).symlink_to(tmp_path / "images/scene_01.png")
    for product in PRODUCTS:
        newest = shipped_models(product.architectures)[-1]
        Path("run", product.weights_file).symlink_to(newest.path)
    Path("run/split.csv").write_text("image,part\na.tif,test\nimages/scene_01.png,test\n")


def follow_command(program, arguments):
    """Run a command of a page, except trainings, which take hours."""
    arguments = [name for word in arguments for name in sorted(glob.glob(word)) or [word]]
    if program == "cellprofiler":
        command = [Path(sys.executable).with_name(program), *arguments]
        result = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert result.returncode == 0, result.stderr
    elif program.startswith("python example_pipelines/"):
        subprocess.run([sys.executable, program.split()[1]], check=True, timeout=300)
    elif arguments[0] != "train":
        result = CliRunner().invoke(TOOLS[program], arguments)
        assert result.exit_code == 0, f"{program} {shlex.join(arguments)}\n{result.output}"


def follow(page):
    """Run all commands and code of a page and return the names that its Python code defines."""
    names = {}
    for language, text in blocks(page):
        if language == "python":
            exec(compile(text, page.name, "exec"), names)
        elif language == "bash":
            for program, arguments in commands(text):
                follow_command(program, arguments)
    return names


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "docs/how_to/check_darkfield_against_masks.md",
        "docs/how_to/count_darkfield_cells.md",
        "docs/how_to/measure_with_any_objective.md",
        "docs/how_to/train_on_your_own_images.md",
    ],
)
def test_pages_can_be_followed(page, workplace):
    assert list(blocks(ROOT / page))
    follow(ROOT / page)


def test_focus_page_can_be_followed(workplace):
    shutil.rmtree("plate1")
    Path("plate1").mkdir()
    names = follow(ROOT / "docs/how_to/find_out_of_focus_wells.md")
    images = names["images"].assign(well=names["images"]["image"].str[7:10]).set_index("well")
    page = (ROOT / "docs/how_to/find_out_of_focus_wells.md").read_text()
    excluded = pd.read_csv("measured/excluded_wells.csv")
    assert f"{len(excluded)} of {len(images)} wells" in re.sub(r"\s+", " ", page)
    empty = images.index.isin(["C03", "D03", "F06"])
    assert len(images) == 96
    assert images[empty]["certainty"].max() < 0.05
    assert images[~empty]["certainty"].min() > 0.25
    columns = images[~empty].groupby(images[~empty].index.str[1:])["score"].median()
    assert list(columns[:9]) == [0] * 9
    assert list(columns[9:]) == sorted(columns[9:])
    assert 2 <= columns[11] <= 4
    assert set(names["good"]["FileName_Image"]) == set(names["kept"]["image"])


def test_stacks_page_can_be_followed(workplace):
    names = follow(ROOT / "docs/how_to/rank_planes.md")
    best = names["best"]
    assert best["any_in_focus"].to_dict() == {"A01": 1, "A02": 1, "A03": 0}
    # The focus is at 8 and 12 micrometers, planes 4 and 6; neighboring planes are within a level.
    for well, plane in (("A01", 4), ("A02", 6)):
        assert abs(best.loc[well, "best_plane"] - plane) <= 1
    kept = {path.name for path in Path("kept").iterdir()}
    assert kept == {f"{Path(name).stem}_best.tiff" for name in best["best_image"]}
