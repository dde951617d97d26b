"""Macros for Fiji, run in ImageJ (Debian's imagej) on a virtual screen (Xvfb)."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from micrograph_networks.images.image_files import write_png

IMAGEJ = Path("/usr/share/java/ij.jar")
FOLDER = Path(__file__).resolve().parent.parent.parent / "fiji"
DRIVER = """\
given = split(getArgument(), "|");
if (given[2] != "none") open(given[2]);
runMacro(given[0], replace(given[3], ";", "\\n"));
print("tables " + Table.title + " " + Table.size);
images = getList("image.titles");
for (i = 0; i < images.length; i++) print("image " + images[i]);
if (isOpen("Level and certainty")) {
    selectImage("Level and certainty");
    for (slice = 1; slice <= nSlices; slice++) {
        setSlice(slice);
        print(getMetadata("Label") + " " + getPixel(0, 0) + " " + getPixel(150, 100));
    }
}
for (i = 0; i < roiManager("count"); i++) {
    roiManager("select", i);
    getStatistics(area);
    print("area " + area);
}
File.saveString(getInfo("log"), given[1]);
"""
pytestmark = pytest.mark.skipif(
    not (IMAGEJ.is_file() and shutil.which("xvfb-run") and shutil.which("java")),
    reason="ImageJ or Xvfb is not installed: apt-get install imagej xvfb",
)


@pytest.fixture
def program(tmp_path):
    """Function that makes the program of a package, in a folder with a space in its name."""

    def make(package):
        path = tmp_path / "the programs" / package
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {package} "$@"\n')
        path.chmod(0o755)
        return path

    return make


def log_of(macro, tmp_path, image, **settings):
    """Run a macro on an open image and return the lines that the driver logs."""
    driver, log = tmp_path / "driver.ijm", tmp_path / "log.txt"
    driver.write_text(DRIVER)
    given = ";".join(f"{name}={value}" for name, value in settings.items())
    argument = "|".join(map(str, (FOLDER / macro, log, image or "none", given)))
    command = ["xvfb-run", "-a", "java", "-jar", IMAGEJ, "-macro", driver, argument]
    environment = {**os.environ, "PYTHONPATH": str(FOLDER.parent)}
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        deadline = time.monotonic() + 300
        while not (log.is_file() and log.read_text().strip()):
            assert process.poll() is None, "ImageJ ended"
            assert time.monotonic() < deadline, "the macro does not end"
            time.sleep(0.5)
        return log.read_text().splitlines()
    finally:
        os.killpg(process.pid, 15)
        process.wait()


def batch(macro, temporary="/tmp", **settings):
    """Run a macro without a screen and return what it prints."""
    given = "\n".join(f"{name}={value}" for name, value in settings.items())
    options = ["-Djava.awt.headless=true", f"-Djava.io.tmpdir={temporary}"]
    command = ["java", *options, "-jar", IMAGEJ, "-batch", FOLDER / macro, given]
    environment = {**os.environ, "PYTHONPATH": str(FOLDER.parent)}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    return result.stdout.strip()


@pytest.mark.parametrize("name", ["fly", "a,b=c"])
def test_the_active_image_is_measured(tmp_path, fly_images, program, name):
    image = tmp_path / f"{name}.png"
    write_png(image, fly_images["01_POS002_D.TIF"][:200, :300])
    output = tmp_path / "the measurements"
    settings = {"command": program("focusqual"), "output": output, "stride": 42}
    if name == "fly":
        names = {"image fly.png", "image image_focus.png"}
    else:
        names, settings["input"], image = {f"image {name}_focus.png"}, image, None
    log = log_of("Measure_Focus.ijm", tmp_path, image, **settings)
    assert "tables focus.csv 1" in log
    assert {*names, "image Level and certainty"} <= set(log)
    patches = pd.read_csv(output / "patches.csv")
    for name in ("level", "certainty"):
        (line,) = [line for line in log if line.startswith(name)]
        # Later patches cover earlier ones.
        covering = patches[
            (patches["left_px"] <= 150)
            & (patches["left_px"] + patches["width_px"] > 150)
            & (patches["top_px"] <= 100)
            & (patches["top_px"] + patches["height_px"] > 100)
        ]
        expected = [patches[name].iloc[0], covering[name].iloc[-1]]
        assert list(map(float, line.split()[1:])) == pytest.approx(expected, abs=1e-3)


def test_cells_become_regions(tmp_path, program):
    from click.testing import CliRunner

    from segment.commandline.commands import main

    CliRunner().invoke(main, ["scenes", "--output", str(tmp_path), "--count", "1"])
    image = tmp_path / "images" / "scene_01.png"
    output = tmp_path / "found"
    settings = {"command": program("segment"), "output": output}
    log = log_of("Segment_Darkfield.ijm", tmp_path, image, **settings)
    cells = pd.read_csv(output / "cells.csv")
    assert f"tables cells.csv {len(cells)}" in log
    areas = [float(line.split()[1]) for line in log if line.startswith("area ")]
    assert areas == cells["area_px"][cells["class"] == "blood cell"].tolist()
    assert len(areas) > 3
    assert "image scene_01.png" in log


def test_a_folder_is_measured(tmp_path, fly_images, program):
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("a", "b"):
        write_png(folder / f"{name}.png", fly_images["01_POS002_D.TIF"][:100, :100])
    settings = {"command": program("focusqual"), "input": folder, "output": folder / "measured"}
    log = log_of("Measure_Focus.ijm", tmp_path, None, **settings)
    assert "tables focus.csv 2" in log
    assert (folder / "measured" / "b_focus.png").is_file()


def test_stacks_are_measured(tmp_path, fly_images, program):
    image = fly_images["01_POS002_D.TIF"][:100, :100]
    tifffile.imwrite(tmp_path / "s.tif", np.stack([image] * 2), photometric="minisblack")
    settings = {"input": tmp_path / "s.tif", "output": tmp_path / "out"}
    log = log_of("Measure_Focus.ijm", tmp_path, None, command=program("focusqual"), **settings)
    assert log == ["tables focus.csv 2"]
    printed = batch("Segment_Darkfield.ijm", command=program("segment"), **settings)
    assert printed == f"Each plane of a stack has its own label image in {tmp_path / 'out'}."


@pytest.mark.parametrize("macro", ["Measure_Focus.ijm", "Segment_Darkfield.ijm"])
def test_mistakes_are_one_sentence(tmp_path, program, macro):
    settings = {"output": tmp_path / "out", "input": tmp_path / "none.png"}
    printed = batch(macro, command=tmp_path / "none", **settings)
    assert f"{tmp_path / 'none'} does not run; choose the program in its environment" in printed
    package = "focusqual" if macro == "Measure_Focus.ijm" else "segment"
    printed = batch(macro, command=program(package), **settings)
    assert printed == f"{tmp_path / 'none.png'} does not exist: check the path."
    printed = batch(macro, command=program(package), output=tmp_path / "out")
    assert printed.startswith("There is no image")


def test_temporary_files_are_private_and_follow_no_link(tmp_path, program):
    temporary, elsewhere = tmp_path / "temporary", tmp_path / "elsewhere"
    temporary.mkdir()
    elsewhere.mkdir()
    (temporary / "measured_focus").symlink_to(elsewhere)
    settings = {"command": program("focusqual"), "input": tmp_path / "none.png"}
    batch("Measure_Focus.ijm", temporary, **settings)
    assert not list(elsewhere.iterdir())
    (folder,) = temporary.glob("measured_focus.*")
    assert folder.stat().st_mode & 0o777 == 0o700
