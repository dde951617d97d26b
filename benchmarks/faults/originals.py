"""Small sound files, which the other modules damage."""

import shutil
from pathlib import Path

import numpy as np
import tifffile

from focusqual import rate_focus
from focusqual.inference import tables
from focusqual.simulation import scenes
from micrograph_networks.files.tables import csv_table
from micrograph_networks.images.image_files import write_png
from micrograph_networks.models.weights_file import Weights, shipped_weights, write_weights
from segment.classes import CLASSES
from segment.inference import network

ROOT = Path(__file__).resolve().parent.parent.parent
SHAPE = (100, 120)
PNG = ("grey8.png", "rgb8.png", "grey16.png")
TIFF = ("plain16.tif", "lzw8.tif", "zlib16.tif", "big_endian.tif", "float32.tif", "tiled_rgb.tif")
FOCUS_WEIGHTS, DARKFIELD_WEIGHTS = "focus.h5", "darkfield.h5"


def make(folder):
    """Write all of them to a folder; the process has called :func:`shrink_network` before."""
    rng = np.random.default_rng(0)
    write_images(folder, rng)
    write_data_set(folder, rng)
    write_focus_table(folder / "focus.csv")
    shutil.copy(shipped_weights("focus"), folder / FOCUS_WEIGHTS)
    write_darkfield_weights(folder / DARKFIELD_WEIGHTS, rng)


def scene(seed):
    """Nuclei, uint16."""
    drawn = scenes.nuclei(np.random.default_rng(seed), max(SHAPE), 1.0)
    return (20_000 * drawn[: SHAPE[0]]).clip(0, 65535).astype(np.uint16)


def write_images(folder, rng):
    import imagecodecs

    grey = scene(0)
    low = (grey >> 7).clip(0, 255).astype(np.uint8)
    colour = np.stack([low, low // 2, rng.integers(0, 60, SHAPE, dtype=np.uint8)], axis=-1)
    write_png(folder / "good.png", low)
    write_png(folder / "grey8.png", low)
    write_png(folder / "rgb8.png", colour)
    imagecodecs.imwrite(folder / "grey16.png", grey)
    tifffile.imwrite(folder / "plain16.tif", grey)
    tifffile.imwrite(folder / "lzw8.tif", low, compression="lzw", predictor=True)
    tifffile.imwrite(folder / "zlib16.tif", grey, compression="zlib")
    tifffile.imwrite(folder / "big_endian.tif", grey, byteorder=">", rowsperstrip=16)
    tifffile.imwrite(folder / "float32.tif", (grey / 65535).astype(np.float32))
    tifffile.imwrite(folder / "tiled_rgb.tif", colour, tile=(32, 32), compression="zlib")


def write_data_set(folder, rng):
    """Two images with masks, their table, and a split of them."""
    with csv_table(folder / "data.csv", ["images", "masks"]) as table:
        for name in ("one", "two"):
            write_png(folder / f"{name}.png", rng.integers(0, 255, (40, 50, 3), dtype=np.uint8))
            write_png(folder / f"{name}_mask.png", rng.integers(0, 3, (40, 50), dtype=np.uint8))
            table.writerow([f"{name}.png", f"{name}_mask.png"])
    with csv_table(folder / "split.csv", ["image", "group", "part"]) as table:
        table.writerows([["one.png", 0, "train"], ["two.png", 1, "test"]])


def write_focus_table(path):
    with csv_table(path, tables.FOCUS_COLUMNS) as table:
        for number, well in enumerate(("A01", "B02", "H12")):
            table.writerow(tables.focus_row(f"p_{well}_s1.tif", rate_focus(scene(number))))


def shrink_network():
    """Give the dark-field network of this process few channels, so that a case takes no time."""
    network.ENCODER = ((2, 4), (2, 4), (3, 8), (3, 8), (3, 8))
    network.DECODER = (8, 8, 4, 4, 4)


def write_darkfield_weights(path, rng):
    """Random weights; of the same spread in every layer."""
    layers = {}
    for (layer, name), shape in network.layer_shapes(len(CLASSES)).items():
        spread = np.sqrt(2 / np.prod(shape[:3])) if name == "kernel" else 0
        layers.setdefault(layer, {})[name] = rng.normal(0, spread, shape)
    layers["block1_conv1"]["kernel"] /= 50
    attributes = {"class_names": CLASSES, "working_size": 64, "cell_diameter": 16.0}
    write_weights(path, Weights(network.ARCHITECTURE, layers, attributes))
