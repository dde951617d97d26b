"""Compare the speed of the dark-field network with that of the same network in plain Keras.

    python benchmarks/segment_speed.py
    python benchmarks/segment_speed.py --csv data.csv --split split.csv
    ONEDNN_MAX_CPU_ISA=AVX2 python benchmarks/segment_speed.py

The last command simulates a processor without AVX-512. All parts are measured in one run:
operations of each shipped network; seconds per image at four sizes; seconds from the start of a
process to the first mask; the network's rate of operations and that of a matrix product; float32
and bfloat16, with the change in IoU over the test images of a table if one is given.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from operations import operations
from processor import processor
from timing import in_turns

from micrograph_networks.engines import EngineOptions
from micrograph_networks.engines.tensorflow import import_framework
from micrograph_networks.models.loading import read_network
from micrograph_networks.models.registry import shipped_models
from micrograph_networks.training.keras_models import build_keras_model, set_arrays
from segment import SegmentationOptions, load_model
from segment.evaluation.evaluate import evaluate_pair, pairs_of
from segment.evaluation.scores import scores
from segment.inference.network import NETWORKS, STRIDE, whole_strides
from segment.inference.normalization import normalize, to_rgb
from segment.inference.prediction import predict_probabilities
from segment.inference.scaling import working_scale
from segment.simulation.scenes import darkfield_scene

ROOT = Path(__file__).resolve().parent.parent
SIZES = (256, 512, 1024, 2048)
COLD_SIZE = 512
COLD_REPEATS = 5
MATRIX = 4096

# What a user would write. Arguments: model, image, and mask to be written. Both networks see the
# image at its own scale; ours also finds objects.
OURS = """
import sys, numpy
from micrograph_networks.engines import EngineOptions
from segment import SegmentationOptions, load_model, segment_image
model, image, mask = sys.argv[1:]
model = load_model(model, EngineOptions("tensorflow", bfloat16={bfloat16}))
options = SegmentationOptions(cell_diameter=model.cell_diameter)
numpy.save(mask, segment_image(numpy.load(image), model, options=options).classes)
"""
KERAS = """
import sys, numpy, keras
model, image, mask = sys.argv[1:]
model = keras.models.load_model(model, compile=False)
images = numpy.load(image)[None, ..., ::-1] - numpy.array([103.939, 116.779, 123.68], "float32")
numpy.save(mask, model.predict(images, verbose=0)[0].argmax(axis=-1).astype("uint8"))
"""


def main():
    """Print a line per measurement: seconds, and the ratio to ours."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--model",
        help="name of a shipped model or path of a weights file (default: newest shipped model)",
    )
    parser.add_argument(
        "--csv", type=Path, help="table of images and masks for the IoU in bfloat16"
    )
    parser.add_argument(
        "--split", type=Path, help="split.csv of a training: use only its test images"
    )
    arguments = parser.parse_args()
    print(processor())
    print_shipped()
    single = load_model(arguments.model, EngineOptions("tensorflow"))
    half = load_model(arguments.model, EngineOptions("tensorflow", bfloat16=True))
    keras_model, network = as_keras(arguments.model)
    print_sizes(single, keras_model)
    print_cold_start(single, keras_model)
    print_operations(single, network)
    print_bfloat16(single, half)
    if arguments.csv:
        print_change_of_iou(single, half, pairs_of(arguments.csv, arguments.split, "test"))


def as_keras(model):
    """Return a trained network as a Keras model, and its declaration."""
    weights, network = read_network(model, NETWORKS)
    keras_model = build_keras_model(network)
    set_arrays(keras_model, network, weights.layers, as_input(scene(STRIDE)))
    return keras_model, network


def computed(model, images):
    """Return the output of the network alone."""
    return model.tiles.run(lambda network, _: network(images))


def print_shipped():
    """Print the operations of each shipped network, per pixel and per image of its working size."""
    print("\nOperations    a pixel    a square image at the working size")
    for known in shipped_models(NETWORKS):
        weights, network = read_network(known.name, NETWORKS)
        size = whole_strides(weights.attributes["working_size"])
        needed = operations(network, size, size)
        print(f"{known.name:18} {needed / size**2:.0f} {needed / 1e9:8.0f} billion, {size} pixels")


def print_sizes(model, keras_model):
    """Print seconds per image: the network in Keras and in ours, and with resizing and tiling."""
    print("\nSeconds an image, models loaded; Keras is the same network's predict")
    print("   size      Keras    network    ratio    any image, by default    in its own pixels")
    for size in SIZES:
        image = scene(size)
        array = as_input(image)
        difference = np.abs(computed(model, array) - keras_model.predict(array, verbose=0)).max()
        assert difference < 1e-3, f"the networks differ by {difference}"
        keras_seconds, ours, default, own = in_turns(
            lambda array=array: keras_model.predict(array, verbose=0),
            lambda array=array: computed(model, array),
            lambda image=image: predict_probabilities(
                image, model, working_scale(image.shape, model)
            ),
            lambda image=image: predict_probabilities(image, model, 1.0),
            repeats=repeats(size),
        )
        print(
            f"{size:7} {keras_seconds:8.3f} s {ours:8.3f} s {keras_seconds / ours:8.2f}"
            f" {default:22.3f} s {own:18.3f} s"
        )


def print_cold_start(model, keras_model):
    """Print seconds from the start of a process to the first mask: import, load, first run."""
    with tempfile.TemporaryDirectory() as folder:
        image, keras_file, mask = (Path(folder, name) for name in ("i.npy", "m.keras", "m.npy"))
        np.save(image, scene(COLD_SIZE))
        keras_model.save(keras_file)
        keras_seconds, *seconds = in_turns(
            lambda: cold(KERAS, keras_file, image, mask),
            lambda: cold(OURS.format(bfloat16=False), model.name, image, mask),
            lambda: cold(OURS.format(bfloat16=True), model.name, image, mask),
            repeats=COLD_REPEATS,
        )
    print(f"\nSeconds from a cold process to the first mask of a {COLD_SIZE}x{COLD_SIZE} image")
    print(f"Keras {keras_seconds:.2f} s")
    for name, value in zip(("ours", "ours in bfloat16"), seconds):
        print(f"{name} {value:.2f} s, ratio {keras_seconds / value:.2f}")


def print_operations(model, network, size=512):
    """Print the rate of operations of the network and of a matrix product."""
    tf = import_framework()
    matrix, array = tf.random.normal((MATRIX, MATRIX)), as_input(scene(size))
    product = tf.function(lambda: tf.reduce_sum(matrix @ matrix))
    seconds = in_turns(
        lambda: product().numpy(), lambda: computed(model, array), repeats=repeats(size)
    )
    needed = operations(network, size, size)
    most, rate = (2 * MATRIX**3, needed) / seconds / 1e9
    print(f"\n{needed / size**2:.0f} operations a pixel, at {size}x{size} pixels")
    print(f"matrix product {most:.0f} GFLOP/s; network {rate:.0f}, {rate / most:.0%} of it")


def print_bfloat16(single, half):
    """Print seconds per image in float32 and in bfloat16."""
    print("\nSeconds an image in float32 and in bfloat16")
    for size in SIZES:
        array = as_input(scene(size))
        seconds = in_turns(
            lambda array=array: computed(single, array),
            lambda array=array: computed(half, array),
            repeats=repeats(size),
        )
        print("{:7} {:8.3f} s {:8.3f} s, ratio {:.2f}".format(size, *seconds, np.divide(*seconds)))


def print_change_of_iou(single, half, pairs):
    """Print the IoU of each class over all images in float32 and in bfloat16."""
    options = SegmentationOptions()
    ious = [
        scores(sum(evaluate_pair(pair, model, options).counts.matrix for pair in pairs)).iou
        for model in (single, half)
    ]
    print(f"\nIoU over {len(pairs)} images: background, blood cell, spirochaete")
    for name, iou in (*zip(("float32", "bfloat16"), ious), ("change", ious[1] - ious[0])):
        print(f"{name:10} " + " ".join(f"{value:9.5f}" for value in iou))


def scene(size):
    """Return a dark-field image, the same at every call."""
    return darkfield_scene(np.random.default_rng(0), (size, size)).image


def as_input(image):
    """Return an image as input of the network, (1, height, width, 3)."""
    return normalize(to_rgb(image))[None]


def repeats(size):
    """Return how often images of a size are measured."""
    return 7 if size <= 512 else 3


def cold(code, *arguments):
    """Run Python code in a new process."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


if __name__ == "__main__":
    main()
