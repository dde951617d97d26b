"""Small valid files, which the other modules damage."""

import shutil
from pathlib import Path

import numpy as np
import tifffile
from products import PRODUCTS
from support import filled, focus_model, measure

from focusqual.inference import tables
from focusqual.simulation import scenes
from micrograph_networks.files.tables import csv_table
from micrograph_networks.images.image_files import write_png
from micrograph_networks.models.registry import shipped_models
from micrograph_networks.models.weights_file import Weights, write_weights
from micrograph_networks.networks.layers import Convolution, Network, Softmax
from segment.classes import CLASSES
from segment.inference.network import NETWORKS

ROOT = Path(__file__).resolve().parents[2]
SHAPE = (100, 120)
PNG = ("gray8.png", "rgb8.png", "gray16.png")
TIFF = ("plain16.tif", "lzw8.tif", "zlib16.tif", "big_endian.tif", "float32.tif", "tiled_rgb.tif")
DARKFIELD_WEIGHTS = "darkfield.h5"
SMALL = Network(
    "segment-small",
    inputs=(None, None, 3),
    layers=(Convolution("classes", len(CLASSES), relu=False), Softmax("probabilities")),
)
"""Network that replaces the dark-field network to save time."""


def make(folder):
    """Write all originals to a folder."""
    rng = np.random.default_rng(0)
    write_images(folder, rng)
    write_data_set(folder, rng)
    write_focus_table(folder / "focus.csv")
    for product in PRODUCTS:
        shipped = shipped_models(product.architectures)[-1]
        shutil.copy(shipped.path, folder / product.weights_file)
    scale = {"working_size": 64, "cell_diameter": 16.0}
    write_random_weights(folder / DARKFIELD_WEIGHTS, SMALL, class_names=CLASSES, **scale)


def scene(seed):
    """Return an image of nuclei, uint16."""
    drawn = scenes.nuclei(np.random.default_rng(seed), max(SHAPE), 1.0)
    return (20_000 * drawn[: SHAPE[0]]).clip(0, 65535).astype(np.uint16)


def write_images(folder, rng):
    """Write an image in each format."""
    import imagecodecs

    gray = scene(0)
    low = (gray >> 7).clip(0, 255).astype(np.uint8)
    color = np.stack([low, low // 2, rng.integers(0, 60, SHAPE, dtype=np.uint8)], axis=-1)
    write_png(folder / "good.png", low)
    write_png(folder / "gray8.png", low)
    write_png(folder / "rgb8.png", color)
    imagecodecs.imwrite(folder / "gray16.png", gray)
    tifffile.imwrite(folder / "plain16.tif", gray)
    tifffile.imwrite(folder / "lzw8.tif", low, compression="lzw", predictor=True)
    tifffile.imwrite(folder / "zlib16.tif", gray, compression="zlib")
    tifffile.imwrite(folder / "big_endian.tif", gray, byteorder=">", rowsperstrip=16)
    tifffile.imwrite(folder / "float32.tif", (gray / 65535).astype(np.float32))
    tifffile.imwrite(folder / "tiled_rgb.tif", color, tile=(32, 32), compression="zlib")


def write_data_set(folder, rng):
    """Write two images with masks, their table, and a split of them."""
    with csv_table(folder / "data.csv", ["images", "masks"]) as table:
        for name in ("one", "two"):
            write_png(folder / f"{name}.png", rng.integers(0, 255, (40, 50, 3), dtype=np.uint8))
            write_png(folder / f"{name}_mask.png", rng.integers(0, 3, (40, 50), dtype=np.uint8))
            table.writerow([f"{name}.png", f"{name}_mask.png"])
    with csv_table(folder / "split.csv", ["image", "group", "part"]) as table:
        table.writerows([["one.png", 0, "train"], ["two.png", 1, "test"]])


def write_focus_table(path):
    """Write the table of ``focusqual predict`` for three wells."""
    with csv_table(path, tables.focus_columns(has_optics=False)) as table:
        for number, well in enumerate(("A01", "B02", "H12")):
            measurement, model = measure(scene(number)), focus_model()
            table.writerow(tables.focus_row(f"p_{well}_s1.tif", measurement, model))


def know_small_network():
    """Make this process accept weights of the small network as dark-field weights."""
    NETWORKS[SMALL.architecture] = lambda attributes: SMALL


def write_random_weights(path, network, **attributes):
    """Write random weights of a network that keep the variance from layer to layer."""
    rng = np.random.default_rng(0)
    arrays = filled(network, lambda shape: rng.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape))
    write_weights(path, Weights(network.architecture, arrays, attributes))
