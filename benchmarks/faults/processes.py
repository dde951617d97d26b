"""Command lines in processes that are killed, have no disk space, or run twice at once."""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import originals
import pandas as pd
import psutil
from products import DARKFIELD, FOCUS, PRODUCTS

from micrograph_networks.files.writing import LOCK
from micrograph_networks.images.image_files import read_image, write_png
from micrograph_networks.models.weights_file import read_weights
from micrograph_networks.training.run import read_epochs
from segment.inference.network import unet_vgg16

PYTHON = Path(sys.executable)
HOOKED = Path(__file__).with_name("hooked.py")
ENVIRONMENT = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "OMP_NUM_THREADS": "1"}
LIMIT = 600
"""Time limit for a process, in seconds."""
HIDDEN = re.compile(rf"\..+-\d+\.part(\.\w+)?|{re.escape(LOCK)}")
EPOCHS = 2


class Finished:
    """A finished process.

    Attributes
    ----------
    code : int
        Exit code; negative for a signal.
    text : str
        Output.
    """

    def __init__(self, process):
        try:
            self.text, _ = process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise AssertionError(f"not finished after {LIMIT} s: {process.args}") from None
        self.code = process.returncode
        _assert_no_orphans(process.pid)

    def refused(self, code, *words, count=1):
        """Assert that it failed with one sentence, or with one for each of ``count`` files."""
        errors = [line for line in self.text.splitlines() if line.startswith("Error: ")]
        assert self.code == code, f"exit code {self.code}: {self.text}"
        assert "Traceback" not in self.text, self.text
        assert len(errors) == count, self.text
        assert all(str(word) in error for word in words for error in errors), errors

    def succeeded(self):
        """Assert that it succeeded."""
        assert self.code == 0, f"exit code {self.code}: {self.text}"


def started(*command, **options):
    """Start a process in a new session."""
    return subprocess.Popen(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=originals.ROOT,
        env=ENVIRONMENT,
        start_new_session=True,
        **options,
    )


def package(name, *arguments, **options):
    """Run ``python -m focusqual`` or ``python -m segment``."""
    return Finished(started(PYTHON, "-m", name, *arguments, **options))


def hooked(action, number, name, *arguments):
    """Run a package with an action of hooked.py."""
    return Finished(started(PYTHON, HOOKED, action, number, name, *arguments))


def _assert_no_orphans(session):
    until = time.monotonic() + 30
    while time.monotonic() < until:
        left = [p.pid for p in psutil.process_iter() if _session(p.pid) == session]
        if not left:
            return
        time.sleep(0.2)
    raise AssertionError(f"processes {left} outlive the one that started them")


def _session(pid):
    with contextlib.suppress(OSError):
        return os.getsid(pid)


def assert_whole(folder):
    """Assert that every file is complete, and that hidden files are temporary."""
    for path in filter(Path.is_file, folder.rglob("*")):
        if path.name.startswith("."):
            assert HIDDEN.fullmatch(path.name), path
        elif path.suffix == ".csv":
            assert path.read_bytes().endswith(b"\n"), path
            pd.read_csv(path)
        elif path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".h5":
            read_weights(path, {**FOCUS.networks, **DARKFIELD.networks})
        elif path.suffix == ".keras":
            assert zipfile.ZipFile(path).testzip() is None, path
        else:
            assert read_image(path).size, path


def contents(folder):
    """Return the bytes of all files in a folder by name, without the lock of a training."""
    files = [path for path in folder.iterdir() if path.is_file() and path.name != LOCK]
    return {path.name: path.read_bytes() for path in files}


# Commands that are interrupted, and their output folders.


def images(folder, count=3):
    """Write images of nuclei to a folder and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        write_png(folder / f"{number}.png", (originals.scene(number) >> 8).astype("uint8"))
    return sorted(folder.glob("*.png"))


def predict(product, folder, out):
    """Return the command that measures or segments three images."""
    return (product.package, "predict", *images(folder / "images"), "--output", out)


def train_focus(folder, out, epochs=EPOCHS):
    """Return a training command with two epochs of one batch."""
    images(folder / "images", 12)
    given = ("--epochs", epochs, "--steps", 1, "--workers", 1)
    return ("focusqual", "train", folder / "images", "--output", out, *given)


def train_darkfield(folder, out, epochs=EPOCHS):
    """Return a training command with two epochs of four batches, from random VGG16 weights."""
    if not (folder / "data.csv").exists():
        package("segment", "scenes", "--output", folder, "--count", 10).succeeded()
        # The groups of the encoder have the same names as in a file of VGG16.
        originals.write_random_weights(folder / "vgg16.h5", unet_vgg16(2))
    return (
        *("segment", "train", "--csv", folder / "data.csv", "--output", out),
        *("--backbone-weights", folder / "vgg16.h5", "--working-size", 32, "--batch", 4),
        *("--epochs", epochs, "--epochs", 0),
    )


TRAININGS = {"focusqual": train_focus, "segment": train_darkfield}


# Faults. Each yields the outcome of each case, or raises AssertionError.


def killed_predict(folder, product):
    """Kill a command before each file is renamed and after the last one, then run it to its end."""
    out, reference = folder / "out", folder / "reference"
    package(*predict(product, folder, reference)).succeeded()
    command = predict(product, folder, out)
    count = len(contents(reference))
    kills = [("kill-before", number) for number in range(1, count + 1)]
    for action, number in [*kills, ("kill-after", count)]:
        result = hooked(action, number, *command)
        assert result.code == -signal.SIGKILL, result.text
        assert_whole(out)
        yield action
    package(*command).succeeded()
    assert contents(out) == contents(reference), sorted(contents(out))


def killed_at_random(folder, product, seed, times=4):
    """Kill a command at random times, then run it to its end."""
    out, reference = folder / "out", folder / "reference"
    clock = time.monotonic()
    package(*predict(product, folder, reference)).succeeded()
    needed = time.monotonic() - clock
    command, rng = predict(product, folder, out), random.Random(seed)
    for _ in range(times):
        process = started(PYTHON, "-m", *command)
        time.sleep(rng.uniform(0.2, 1.1) * needed)
        os.killpg(process.pid, signal.SIGKILL)
        Finished(process)
        if out.exists():
            assert_whole(out)
        yield "killed"
    package(*command).succeeded()
    assert contents(out) == contents(reference), sorted(contents(out))


def killed_training(folder, product, limit=40):
    """Kill a training before, then after, the next file is renamed, until it is complete.

    Every second run is killed one file later, so that the training progresses.
    """
    out = folder / "out"
    command = TRAININGS[product.package](folder, out)
    for number in range(1, limit):
        action = "kill-before" if number % 2 else "kill-after"
        result = hooked(action, (number + 1) // 2, *command)
        if result.code == 0:
            break
        assert result.code == -signal.SIGKILL, result.text
        assert_whole(out)
        yield action
    assert_whole(out)
    package(*command).succeeded()
    assert [row["epoch"] for row in read_epochs(out / "training.csv")] == [1, 2]
    assert (out / product.weights_file).is_file()
    assert not list(out.glob(".*.part*"))


def disk_full(folder):
    """Run every command that writes, on a disk with too little space."""
    data = folder / "data"
    for command, code in _writing_commands(folder, data):
        with small_disk(folder / "disk") as (disk, options):
            result = package(*command, "--output", disk / "out", **options)
            assert_whole(disk)
            errors = [line for line in result.text.splitlines() if line.startswith("Error: ")]
            assert result.code == code, result.text
            assert errors and "Traceback" not in result.text, result.text
            assert all("cannot be written" in line for line in errors), result.text
            assert not [path for path in disk.rglob(".*part*")]
        yield "refused"


def _writing_commands(folder, data):
    """Return all commands that write, without --output, and their exit codes on a full disk.

    1 where images fail one by one, and the table that is written at the end fits.
    """
    pictures = images(folder / "images")
    package("segment", "scenes", "--output", data, "--count", 8).succeeded()
    measured = folder / "measured"
    package("focusqual", "predict", pictures[0], "--output", measured).succeeded()
    trainings = train_focus(folder / "focus", ""), train_darkfield(folder / "darkfield", "")
    focus, darkfield = (tuple(a for a in train if a not in ("--output", "")) for train in trainings)
    return [
        (("focusqual", "predict", *pictures), 2),
        (("focusqual", "degrade", *pictures, "--level", 1), 2),
        (("focusqual", "summarize", measured / "focus.csv"), 2),
        (("focusqual", "evaluate", folder / "images"), 2),
        (focus, 2),
        (darkfield, 2),
        (("segment", "predict", next(data.glob("images/*.png"))), 1),
        (("segment", "evaluate", "--csv", data / "data.csv"), 2),
        (("segment", "convert-masks", *data.glob("masks/*.png"), "--keep", "blood cell"), 1),
        (("segment", "scenes", "--count", 1), 2),
    ]


@contextlib.contextmanager
def small_disk(folder):
    """Make a disk of 16 KB, or limit the size of files if it cannot be mounted.

    Yields
    ------
    (Path, dict)
        Folder, and options for :func:`started`.
    """
    folder.mkdir(exist_ok=True)
    if mounted(folder, "size=16k"):
        try:
            yield folder, {}
        finally:
            subprocess.run(["umount", folder], check=True)
        return
    import resource

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    with tempfile.TemporaryDirectory(dir=folder) as inner:
        yield Path(inner), {"preexec_fn": limit}


def mounted(folder, options):
    """Mount a disk in memory; return False if that is not allowed."""
    if os.geteuid() or not shutil.which("mount"):
        return False
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]
    return subprocess.run(command, capture_output=True).returncode == 0


def read_only(folder):
    """Run every command that writes, into a read-only folder and into its subfolder."""
    disk = folder / "disk"
    commands = _writing_commands(folder, folder / "data")
    disk.mkdir()
    if os.geteuid():
        disk.chmod(0o555)
    elif not mounted(disk, "ro"):
        return
    try:
        for command, _ in commands:
            for out in (disk, disk / "out"):
                result = package(*command, "--output", out)
                # Masks are converted one by one, and each one fails.
                alone = "convert-masks" in command and out.exists()
                code, count = (1, 8) if alone else (2, 1)
                result.refused(code, disk, count=count)
                yield "refused"
    finally:
        if os.geteuid():
            disk.chmod(0o755)
        else:
            subprocess.run(["umount", disk], check=True)


def two_predict(folder, product):
    """Run a command twice at once with the same output folder."""
    out, reference = folder / "out", folder / "reference"
    package(*predict(product, folder, reference)).succeeded()
    both = [started(PYTHON, "-m", *predict(product, folder, out)) for _ in range(2)]
    for process in both:
        Finished(process).succeeded()
        yield "succeeded"
    assert contents(out) == contents(reference), sorted(contents(out))


def two_trainings(folder, product):
    """Run two trainings at once with the same output folder: one refuses."""
    command = TRAININGS[product.package](folder, folder / "out")
    both = [Finished(process) for process in [started(PYTHON, "-m", *command) for _ in range(2)]]
    both.sort(key=lambda result: result.code)
    both[0].succeeded()
    both[1].refused(2, "Another run writes", folder / "out")
    assert_whole(folder / "out")
    assert (folder / "out" / product.weights_file).is_file()
    yield from ("succeeded", "refused")


def deleted_images(folder):
    """Delete an image after the command has started and before it is read."""
    for product in PRODUCTS:
        command = predict(product, folder, folder / product.package)
        victim = folder / "images" / "2.png"
        result = hooked(f"delete={victim}", 1, *command)
        result.refused(1, victim, "does not exist")
        assert_whole(folder / product.package)
        assert "2 of 3 images" in result.text
        yield "refused"
    # A broken link is listed, too, but cannot be read.
    victim.symlink_to("nowhere")
    for arguments in (("train",), ("evaluate",)):
        result = package("focusqual", *arguments, folder / "images", "--output", folder / "x")
        result.refused(2, victim, "does not exist")
        assert not contents(folder / "x")
        yield "refused"
    package("segment", "scenes", "--output", folder / "data", "--count", 10).succeeded()
    victim = folder / "data" / "masks" / "scene_05_mask.png"
    victim.unlink()
    for arguments in (("evaluate",), ("train", "--backbone-weights", "none.h5")):
        given = ("--csv", folder / "data" / "data.csv", "--output", folder / "y")
        result = package("segment", *arguments, *given)
        assert result.code == 2 and "Traceback" not in result.text, result.text
        assert f"{victim} does not exist" in result.text
        assert not list((folder / "y").glob("*.h5"))
        yield "refused"


def cellprofiler(folder, product, *options):
    """Run CellProfiler on three files, the second of which is not an image."""
    given = folder / "images"
    images(given)
    (given / "1.png").write_bytes(b"no image")
    out = folder / "out"
    result = Finished(
        started(
            *(PYTHON.with_name("cellprofiler"), "-c", "-r", *options),
            *("-p", originals.ROOT / "example_pipelines" / product.pipelines[0]),
            *("-i", given, "-o", out, "--plugins-directory", originals.ROOT / "plugins"),
        )
    )
    return result, out


def always_continue(folder, product):
    """With --always-continue, the other images are measured, and the log names the file."""
    result, out = cellprofiler(folder, product, "--always-continue")
    result.succeeded()
    assert "1.png" in result.text
    table = pd.read_csv(next(out.glob("*_Image.csv")))
    assert table["FileName_Image"].tolist() == ["0.png", "1.png", "2.png"]
    errors = [column for column in table if column.startswith("ModuleError_")]
    assert (table.loc[[0, 2], errors] == 0).all(axis=None)
    assert table.loc[1, errors].isna().any()
    assert table.filter(regex="^(ImageFocus_Score|Count_)").notna().all(axis=1).tolist() == [
        *(True, False, True)
    ]
    yield "went on"


def stops(folder, product):
    """Without this option, CellProfiler stops at the file and writes no table."""
    result, out = cellprofiler(folder, product)
    assert result.code == 1 and "1.png" in result.text, result.text
    assert not list(out.glob("*.csv"))
    yield "stopped"
