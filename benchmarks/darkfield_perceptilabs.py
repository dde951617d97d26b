"""The use case of PerceptiLabs, repeated: its recipe, its figure, and the IoU of cells beside it.

    python benchmarks/darkfield_perceptilabs.py --csv data.csv --backbone-weights vgg16.h5

Blood cells against all else, 10 epochs, batches of 32, Adam at 0.001, Dice loss; a U-Net with VGG16
as encoder, all of whose layers learn, without batch normalization. A line is printed after every
epoch. Images are stretched to 224x224 pixels and not augmented, which is assumed: the use case does
not say so.
"""

import argparse
import dataclasses
from pathlib import Path

import numpy as np

from micrograph_networks.networks.layers import Convolution
from micrograph_networks.training.keras_models import build_keras_model
from segment.annotations.dataset import divide, load_samples, read_groups
from segment.classes import BLOOD_CELL, CLASSES
from segment.evaluation.scores import confusion_matrix, scores
from segment.inference.network import encoder_blocks, unet_vgg16
from segment.inference.normalization import normalize
from segment.training.backbone import read_backbone
from segment.training.losses import soft_dice

SIZE = 224
EPOCHS = 10
BATCH = 32
RATE = 1e-3
SEED = 0
PARTS = ("train", "validation")
CELL = 1
"""Of the two channels: background and cell."""


def main():
    """Train, and print both figures of both parts after every epoch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--csv", type=Path, required=True)
    parser.add_argument("--groups", type=Path)
    parser.add_argument("--backbone-weights", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    arguments = parser.parse_args()
    parts = read_parts(arguments.csv, arguments.groups)
    model = compiled_model(read_backbone(arguments.backbone_weights))
    print("epoch  " + "  ".join(f"{part}: theirs, IoU of cells" for part in PARTS))
    for epoch in range(1, arguments.epochs + 1):
        model.fit(*parts["train"], batch_size=BATCH, verbose=0)
        figures = [part_figures(model, *parts[part]) for part in PARTS]
        print(f"{epoch:5}  " + "  ".join(f"{a:.3f} {b:.3f}" for a, b in figures), flush=True)


def read_parts(table, groups):
    """Images and one-hot masks of both parts, the product's own for this seed.

    Returns
    -------
    dict of str to (ndarray of float32, (n, 224, 224, 3), ndarray of float32, (n, 224, 224, 2))
    """
    samples = load_samples(table, CLASSES, lambda shape: (SIZE, SIZE))
    known = read_groups(groups, [sample.name for sample in samples]) if groups else []
    _, parts = divide(samples, known, SEED)
    chosen = {part: [s for s, its in zip(samples, parts) if its == part] for part in PARTS}
    return {
        part: (
            normalize(np.stack([sample.image for sample in of_part]).astype(np.float32)),
            np.eye(2, dtype=np.float32)[np.stack([s.mask == BLOOD_CELL for s in of_part]) * 1],
        )
        for part, of_part in chosen.items()
    }


def compiled_model(backbone):
    """The network without batch normalization, its encoder trained on ImageNet."""
    import keras

    keras.utils.set_random_seed(SEED)
    network = unet_vgg16(2)
    layers = [
        dataclasses.replace(layer, momentum=None) if isinstance(layer, Convolution) else layer
        for layer in network.layers
    ]
    model = build_keras_model(dataclasses.replace(network, layers=tuple(layers)))
    for name in sum(encoder_blocks(), []):
        model.get_layer(name).set_weights([backbone[name]["kernel"], backbone[name]["bias"]])
    model.compile(keras.optimizers.Adam(RATE), loss=dice)
    return model


def dice(truth, probabilities):
    """One minus the soft Dice coefficient of the cells, a tensor of float32."""
    return 1 - soft_dice(truth, probabilities)[CELL]


def part_figures(model, images, truth):
    """The tool's figure, and the IoU of cells, over all pixels of a part."""
    probabilities = model.predict(images, batch_size=BATCH, verbose=0)
    true, found = truth.argmax(axis=-1), probabilities.argmax(axis=-1)
    return iou_of_both_channels(truth, probabilities), scores(confusion_matrix(true, found, 2)).iou[
        CELL
    ]


def iou_of_both_channels(truth, probabilities, threshold=0.5):
    """The IoU that the tool showed: true and false positives of both channels, counted together.

    A wrong pixel is a false positive in one channel and a false negative in the other, so that this
    is a / (2 - a), where a is the share of the pixels that are right, whatever their class. It is
    no IoU of cells: where 87% of the pixels are background, calling all of them so gives 0.77.
    By backend/perceptilabs/stats/iou.py and data/pipelines/image/preprocessing.py of its public
    source, October 2021.

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
