"""Extreme images, measured by the command lines and by the modules."""

import re

import numpy as np
import originals
import pandas as pd
import tifffile
from mutated import module_on, run

from micrograph_networks.images.image_files import read_image

LARGE = 20_000


def shapes(rng):
    """Return extreme images, and options of tifffile, by name."""
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
    """Write all images to a folder and return their paths by name."""
    paths = {}
    for number, (name, (image, options)) in enumerate(shapes(np.random.default_rng(0)).items()):
        paths[name] = folder / f"{number}.tif"
        tifffile.imwrite(paths[name], image, **options)
    paths[f"{LARGE}x{LARGE} gray"] = folder / "large.tif"
    _write_large(folder / "large.tif")
    return paths


def _write_large(path):
    """Write 400 MB without holding them in memory."""
    image = tifffile.memmap(path, shape=(LARGE, LARGE), dtype=np.uint8)
    low = (originals.scene(0) >> 8).astype(np.uint8)
    tile = np.tile(low, (1, LARGE // low.shape[1] + 1))[:, :LARGE]
    for row in range(0, LARGE, len(low)):
        image[row : row + len(low)] = tile[: LARGE - row]
    image.flush()


def through_command_line(folder, product, path):
    """Measure an image by the command line and return the result in words."""
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
    if product.package == "segment":
        return _counted(pd.read_csv(out / "cells.csv")["class"].eq("blood cell").sum())
    (measurement,) = pd.read_csv(out / "focus.csv").to_dict("records")
    return _measured(measurement["score"], measurement["certainty"], measurement["patches"])


def through_module(product, path):
    """Measure an image by a CellProfiler module and return the result in words."""
    from harness import assert_declared_is_written

    # CellProfiler stores images as float32, in which 1e300 is infinite.
    with np.errstate(over="ignore"):
        module, workspace = module_on(product, _intensities(tifffile.imread(path)))
    module.run(workspace)
    assert_declared_is_written(module, workspace)
    get = workspace.measurements.get_current_image_measurement
    if product.package == "segment":
        return _counted(get("Count_BloodCells"))
    names = ("Score", "Certainty", "PatchCount")
    return _measured(*(get(f"ImageFocus_{name}_DNA") for name in names))


def _intensities(image):
    """Scale integers to intensities of 0 to 1, as CellProfiler's readers do."""
    if image.dtype.kind == "u":
        return image / np.float32(np.iinfo(image.dtype).max)
    return image


def _measured(score, certainty, patches):
    if patches == 0:
        assert np.isnan(score) and np.isnan(certainty)
        return "no patch counts, score NaN"
    assert 0 <= score <= 10 and 0 <= certainty <= 1, (score, certainty)
    return f"score {score:g}, certainty {certainty:.2f}"


def _counted(count):
    return f"cells: {count:g}"
