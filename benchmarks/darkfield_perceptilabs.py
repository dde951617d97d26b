"""Repeat the use case of PerceptiLabs: its recipe, its IoU, and the IoU of cells.

    python benchmarks/darkfield_perceptilabs.py --csv data.csv --backbone-weights vgg16.h5

Blood cells against all else, 10 epochs, batches of 32, Adam at 0.001, Dice loss, and a U-Net with
VGG16 as encoder, without batch normalization and frozen layers. Images are stretched to 224x224
pixels and not augmented; the use case does not say this, so it is assumed.
"""

import argparse
import dataclasses
from pathlib import Path

import numpy as np

from micrograph_networks.networks.layers import Convolution
from micrograph_networks.training.keras_models import build_keras_model
from segment.annotations.dataset import Sample, divide, read_groups, read_pair, read_table
from segment.classes import BLOOD_CELL, CLASSES
from segment.evaluation.scores import confusion_matrix, scores
from segment.inference.network import unet_vgg16
from segment.inference.normalization import as_color, normalize
from segment.inference.scaling import resize, resize_labels
from segment.training.losses import soft_dice
from segment.training.start import ENCODER, read_vgg16

SIZE = 224
EPOCHS = 10
BATCH = 32
RATE = 1e-3
SEED = 0
PARTS = ("train", "validation")
CELL = 1
"""Index of cells in the two channels, background and cell."""


def main():
    """Train, and print both kinds of IoU of both parts after every epoch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--csv", type=Path, required=True, help="CSV of images and masks")
    parser.add_argument("--groups", type=Path, help="JSON list of lists of image names")
    parser.add_argument(
        "--backbone-weights", type=Path, required=True, help="HDF5 file of VGG16's convolutions"
    )
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="(default: 10)")
    arguments = parser.parse_args()
    parts = read_parts(arguments.csv, arguments.groups)
    model = compiled_model(read_vgg16(arguments.backbone_weights))
    print("epoch  " + "  ".join(f"{part}: theirs, IoU of cells" for part in PARTS))
    for epoch in range(1, arguments.epochs + 1):
        model.fit(*parts["train"], batch_size=BATCH, verbose=0)
        found = [part_scores(model, *parts[part]) for part in PARTS]
        print(f"{epoch:5}  " + "  ".join(f"{a:.3f} {b:.3f}" for a, b in found), flush=True)


def read_parts(table, groups):
    """Read the images and one-hot masks of both parts, which are the product's for this seed.

    Returns
    -------
    dict of str to (ndarray of float32, (n, 224, 224, 3), ndarray of float32, (n, 224, 224, 2))
    """
    samples = [stretched(pair) for pair in read_table(table)]
    known = read_groups(groups, [sample.name for sample in samples]) if groups else []
    _, parts = divide(samples, known, SEED)
    arrays = {}
    for part in PARTS:
        chosen = [sample for sample, its in zip(samples, parts) if its == part]
        images = np.stack([sample.image for sample in chosen]).astype(np.float32)
        cells = np.stack([sample.mask == BLOOD_CELL for sample in chosen])
        arrays[part] = normalize(images), np.eye(2, dtype=np.float32)[cells.astype(int)]
    return arrays


def stretched(pair):
    """Read an image and its mask and stretch them to a square."""
    image, mask = read_pair(pair, CLASSES)
    image = np.rint(resize(as_color(image), (SIZE, SIZE))).astype(np.uint8)
    return Sample(pair.name, image, resize_labels(mask, (SIZE, SIZE)))


def compiled_model(backbone):
    """Return the network without batch normalization, its encoder trained on ImageNet."""
    import keras

    keras.utils.set_random_seed(SEED)
    network = unet_vgg16(2)
    layers = [
        dataclasses.replace(layer, momentum=None) if isinstance(layer, Convolution) else layer
        for layer in network.layers
    ]
    model = build_keras_model(dataclasses.replace(network, layers=tuple(layers)))
    for name in ENCODER:
        model.get_layer(name).set_weights([backbone[name]["kernel"], backbone[name]["bias"]])
    model.compile(keras.optimizers.Adam(RATE), loss=dice)
    return model


def dice(truth, probabilities):
    """Return 1 minus the soft Dice coefficient of the cells, a tensor of float32."""
    return 1 - soft_dice(truth, probabilities)[CELL]


def part_scores(model, images, truth):
    """Return the tool's IoU and the IoU of cells over all pixels of a part."""
    probabilities = model.predict(images, batch_size=BATCH, verbose=0)
    true, found = truth.argmax(axis=-1), probabilities.argmax(axis=-1)
    cells = scores(confusion_matrix(true, found, 2)).iou[CELL]
    return iou_of_both_channels(truth, probabilities), cells


def iou_of_both_channels(truth, probabilities, threshold=0.5):
    """Return the IoU that the tool showed, which counts both channels together.

    A wrong pixel is a false positive in one channel and a false negative in the other, so the
    result is a / (2 - a), where a is the share of correct pixels of any class. It is not an IoU of
    cells: if 87% of the pixels are background, calling every pixel background gives 0.77. The
    source is backend/perceptilabs/stats/iou.py and data/pipelines/image/preprocessing.py of the
    tool's public code of October 2021.

    Parameters
    ----------
    truth : ndarray of float, (..., 2)
        0 or 1.
    probabilities : ndarray of float, (..., 2)
    threshold : float

    Returns
    -------
    float
        0 to 1.
    """
    found = probabilities >= threshold
    true = truth == 1
    return float((found & true).sum() / (found | true).sum())


if __name__ == "__main__":
    main()
