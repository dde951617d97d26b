"""Extreme images, through the command lines and through the modules."""

import re

import numpy as np
import originals
import pandas as pd
import tifffile
from mutated import module_on, run

from micrograph_networks.images.image_files import read_image

LARGE = 20_000


def shapes(rng):
    """Extreme images by name, and what tifffile is told besides."""
    scene = originals.scene(0)
    nan = np.full((200, 200), np.nan, np.float32)
    half = scene.copy()
    half[:, ::2] = 65535
    return {
        "1x1": (np.full((1, 1), 7, np.uint8), {}),
        "1x10000": (rng.integers(0, 4000, (1, 10_000), dtype=np.uint16), {}),
        "10000x1": (rng.integers(0, 4000, (10_000, 1), dtype=np.uint16), {}),
        "all NaN": (nan, {}),
        "NaN but for one pixel": (np.where(np.arange(nan.size).reshape(nan.shape), nan, 1), {}),
        "infinite": (np.full((200, 200), np.inf, np.float32), {}),
        "constant": (np.full((200, 200), 1000, np.uint16), {}),
        "saturated": (np.full((200, 200), 65535, np.uint16), {}),
        "half saturated": (half, {}),
        "float64": (scene / 65535, {}),
        "float64 to 1e300": (scene * 1e295, {}),
        "float32 to 1e-30": ((scene * 1e-35).astype(np.float32), {}),
        "int32, negative": (scene.astype(np.int32) - 5000, {}),
        "bool": (scene > 5000, {}),
        "big-endian": (scene, {"byteorder": ">"}),
        "big-endian float64": (scene / 65535, {"byteorder": ">"}),
    }


def write(folder):
    """Write all images to a folder; gives their files by what they are."""
    paths = {}
    for number, (name, (image, options)) in enumerate(shapes(np.random.default_rng(0)).items()):
        paths[name] = folder / f"{number}.tif"
        tifffile.imwrite(paths[name], image, **options)
    paths[f"{LARGE}x{LARGE} gray"] = folder / "large.tif"
    _write_large(folder / "large.tif")
    return paths


def _write_large(path):
    """400 MB, without holding them in memory."""
    image = tifffile.memmap(path, shape=(LARGE, LARGE), dtype=np.uint8)
    low = (originals.scene(0) >> 8).astype(np.uint8)
    tile = np.tile(low, (1, LARGE // low.shape[1] + 1))[:, :LARGE]
    for row in range(0, LARGE, len(low)):
        image[row : row + len(low)] = tile[: LARGE - row]
    image.flush()


def through_command_line(folder, product, path):
    """Measure an image; gives what came out, in words."""
    out = folder / f"{product.package} {path.stem}"
    result = run(product.package, "predict", path, "--output", out)
    pictures = list(out.glob(f"{path.stem}_*"))
    if isinstance(result.exception, SystemExit) and result.exit_code == 1:
        (error,) = re.findall(r"^Error: (.*)\.$", result.output, re.MULTILINE)
        assert str(path) in error
        assert not pictures
        return "refused: " + error.replace(f"{path}: ", "").partition(":")[0]
    assert result.exit_code == 0, result.output
    with tifffile.TiffFile(path) as file:
        shape = file.pages[0].shape
    assert {read_image(picture).shape[:2] for picture in pictures} == {shape}
    in_tables, _ = IN_WORDS[product.package]
    return in_tables(out)


def through_module(product, path):
    """The same by a CellProfiler module, which gets whole numbers as intensities of 0 to 1."""
    from harness import assert_declared_is_written

    # CellProfiler holds images as float32, in which 1e300 is infinite.
    with np.errstate(over="ignore"):
        module, workspace = module_on(product, _intensities(tifffile.imread(path)))
    module.run(workspace)
    assert_declared_is_written(module, workspace)
    _, in_measurements = IN_WORDS[product.package]
    return in_measurements(workspace.measurements.get_current_image_measurement)


def _intensities(image):
    """As CellProfiler's readers give an image."""
    if image.dtype.kind == "u":
        return image / np.float32(np.iinfo(image.dtype).max)
    return image


def _measured_in_tables(out):
    (measurement,) = pd.read_csv(out / "focus.csv").to_dict("records")
    return _measured(measurement["score"], measurement["certainty"], measurement["patches"])


def _measured_in_measurements(get):
    features = (f"ImageFocus_{name}_DNA" for name in ("Score", "Certainty", "PatchCount"))
    return _measured(*map(get, features))


def _measured(score, certainty, patches):
    if patches == 0:
        assert np.isnan(score) and np.isnan(certainty)
        return "no patch counts, score NaN"
    assert 0 <= score <= 10 and 0 <= certainty <= 1, (score, certainty)
    return f"score {score:g}, certainty {certainty:.2f}"


def _counted_in_tables(out):
    return _counted(pd.read_csv(out / "cells.csv")["class"].eq("blood cell").sum())


def _counted_in_measurements(get):
    return _counted(get("Count_BloodCells"))


def _counted(count):
    return f"cells: {count:g}"


IN_WORDS = {
    "focusqual": (_measured_in_tables, _measured_in_measurements),
    "segment": (_counted_in_tables, _counted_in_measurements),
}
"""By package, what says in words what the command line and the module have found."""
