"""Speed of the dark-field network beside the same network as a plain Keras model, in one run.

    python benchmarks/segment_speed.py
    python benchmarks/segment_speed.py --csv data.csv --split model_weights/darkfield_v1_split.csv

Four parts: seconds an image at four sizes; seconds from a cold process to the first mask; the
convolutions' rate beside that of a matrix product; and bfloat16 beside float32, with the change in
IoU over the test images of a table where one is given.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from micrograph_networks.engines.tensorflow import tensorflow
from micrograph_networks.models.weights_file import read_weights, shipped_weights
from segment import SegmentationOptions
from segment.evaluation.evaluate import evaluate_pair, pairs_of
from segment.evaluation.scores import scores
from segment.inference.model import SHIPPED, load_model
from segment.inference.network import ARCHITECTURE, DECODER, ENCODER, build_keras_model
from segment.inference.normalisation import normalise, to_rgb
from segment.inference.prediction import predict_probabilities
from segment.simulation.scenes import darkfield_scene

ROOT = Path(__file__).resolve().parent.parent
SIZES = (256, 512, 1024, 2048)
COLD_SIZE = 512
COLD_REPEATS = 5
MATRIX = 4096

# What a user of either would write; arguments: model, image, mask to be written. Both networks see
# the image in its own pixels; ours then makes objects, too.
OURS = """
import sys, numpy
from segment import SegmentationOptions, segment_image
weights, image, mask = sys.argv[1:]
options = SegmentationOptions(cell_diameter={diameter}, bfloat16={bfloat16})
numpy.save(mask, segment_image(numpy.load(image), options=options, weights=weights).classes)
"""
KERAS = """
import sys, numpy, keras
model, image, mask = sys.argv[1:]
model = keras.models.load_model(model, compile=False)
images = numpy.load(image)[None, ..., ::-1] - numpy.array([103.939, 116.779, 123.68], "float32")
numpy.save(mask, model.predict(images, verbose=0)[0].argmax(axis=-1).astype("uint8"))
"""


def main():
    """Print a line a measurement: seconds, and the ratio to ours."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, help="weights file; the shipped one by default")
    parser.add_argument("--csv", type=Path, help="images and masks for the IoU in bfloat16")
    parser.add_argument("--split", type=Path, help="split.csv whose test images are taken")
    arguments = parser.parse_args()
    weights = arguments.weights or shipped_weights(SHIPPED)
    model, keras_model = load_model(weights), as_keras(weights)
    print_sizes(model, keras_model)
    print_cold_start(weights, model, keras_model)
    print_convolutions(model)
    print_bfloat16(model, load_model(weights, bfloat16=True))
    if arguments.csv:
        print_change_of_iou(weights, pairs_of(arguments.csv, arguments.split, "test"))


def as_keras(weights):
    """The same network as a Keras model: batch normalisation is there, and changes nothing."""
    layers = read_weights(weights, ARCHITECTURE).layers
    model = build_keras_model(len(load_model(weights).class_names))
    for name, arrays in layers.items():
        layer = model.get_layer(name)
        if layer.use_bias:
            layer.set_weights([arrays["kernel"], arrays["bias"]])
            continue
        layer.set_weights([arrays["kernel"]])
        following = model.get_layer(f"{name}_bn")
        one, zero = np.ones_like(arrays["bias"]), np.zeros_like(arrays["bias"])
        following.set_weights([one, arrays["bias"], zero, one - following.epsilon])
    return model


def print_sizes(model, keras_model):
    """Seconds an image: the network alone, as Keras has it, and from pixels to probabilities."""
    print("Seconds an image, models loaded; Keras is the same network's predict")
    print("   size      Keras    network    ratio    any image, by default    in its own pixels")
    for size in SIZES:
        image = scene(size)
        array = normalise(to_rgb(image))[None]
        difference = np.abs(model.network(array) - keras_model.predict(array, verbose=0)).max()
        assert difference < 1e-3, f"the networks differ by {difference}"
        keras_seconds, ours, default, own = in_turns(
            lambda array=array: keras_model.predict(array, verbose=0),
            lambda array=array: model.network(array),
            lambda image=image: predict_probabilities(image, model),
            lambda image=image: predict_probabilities(image, model, model.cell_diameter),
            repeats=7 if size <= 512 else 3,
        )
        print(
            f"{size:7} {keras_seconds:8.3f} s {ours:8.3f} s {keras_seconds / ours:8.2f}"
            f" {default:22.3f} s {own:18.3f} s"
        )


def print_cold_start(weights, model, keras_model):
    """Seconds from the start of a process to the first mask: import, load, first run."""
    with tempfile.TemporaryDirectory() as folder:
        image, keras_file, mask = (Path(folder, name) for name in ("i.npy", "m.keras", "m.npy"))
        np.save(image, scene(COLD_SIZE))
        keras_model.save(keras_file)
        ours = [
            OURS.format(diameter=model.cell_diameter, bfloat16=choice) for choice in (False, True)
        ]
        keras_seconds, *seconds = in_turns(
            lambda: cold(KERAS, keras_file, image, mask),
            lambda: cold(ours[0], weights, image, mask),
            lambda: cold(ours[1], weights, image, mask),
            repeats=COLD_REPEATS,
        )
    print(f"\nSeconds from a cold process to the first mask of a {COLD_SIZE}x{COLD_SIZE} image")
    print(f"Keras {keras_seconds:.2f} s")
    for name, value in zip(("ours", "ours in bfloat16"), seconds):
        print(f"{name} {value:.2f} s, ratio {keras_seconds / value:.2f}")


def print_convolutions(model):
    """How near the convolutions come to a matrix product, and their share of the time."""
    tf = tensorflow()
    size, layers = 512, convolutions(512, len(model.class_names))
    matrix = tf.random.normal((MATRIX, MATRIX))
    product = tf.function(lambda: tf.reduce_sum(matrix @ matrix))
    runs = [lambda: product().numpy(), lambda: model.network(array)]
    array = normalise(to_rgb(scene(size)))[None]
    product_seconds, network = in_turns(*runs, repeats=7)
    alone = sum(convolution_seconds(*layer) for layer in layers)
    operations = sum(2 * 9 * side**2 * inputs * outputs for side, inputs, outputs in layers)
    rate, most = operations / alone / 1e9, 2 * MATRIX**3 / product_seconds / 1e9
    print(f"\nConvolutions of a {size}x{size} image: {operations / 1e9:.0f} billion operations")
    print(f"matrix product {most:.0f} GFLOP/s; convolutions {rate:.0f}, {rate / most:.0%} of it")
    print(f"network {network:.3f} s, of which convolutions {alone:.3f} s, {alone / network:.0%}")
    print(f"at the rate of the matrix product: {operations / most / 1e9:.3f} s")


def print_bfloat16(model, model_bfloat16):
    """Seconds an image in both arithmetics."""
    flags = set(Path("/proc/cpuinfo").read_text().split()) & {"amx_bf16", "avx512_bf16"}
    print(
        f"\nbfloat16; the processor has {' and '.join(sorted(flags)) or 'no instructions for it'}"
    )
    for size in SIZES:
        array = normalise(to_rgb(scene(size)))[None]
        single, half = in_turns(
            lambda array=array: model.network(array),
            lambda array=array: model_bfloat16.network(array),
            repeats=7 if size <= 512 else 3,
        )
        print(f"{size:7} {single:8.3f} s, bfloat16 {half:8.3f} s, {single / half:.2f} times faster")


def print_change_of_iou(weights, pairs):
    """IoU of each class over all images in both arithmetics."""
    options = SegmentationOptions()
    ious = [
        scores(sum(evaluate_pair(pair, choice, weights).matrix for pair in pairs)).iou
        for choice in (options, replace(options, bfloat16=True))
    ]
    print(f"\nIoU over {len(pairs)} images: background, blood cell, spirochaete")
    for name, iou in (*zip(("float32", "bfloat16"), ious), ("change", ious[1] - ious[0])):
        print(f"{name:10} " + " ".join(f"{value:9.5f}" for value in iou))


def scene(size):
    """A dark-field image, the same at every call."""
    return darkfield_scene(np.random.default_rng(0), (size, size)).image


def in_turns(*runs, repeats):
    """Median seconds of each call; they take turns, and the first ones are not counted."""
    times = []
    for _ in range(repeats + 1):
        times.append([])
        for run in runs:
            start = time.perf_counter()
            run()
            times[-1].append(time.perf_counter() - start)
    return np.median(times[1:], axis=0)


def cold(code, *arguments):
    """Run Python code in a process of its own."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


def convolutions(size, classes):
    """Side, input and output channels of every convolution for an image of a size."""
    layers, width = [], 3
    for block, (count, channels) in enumerate(ENCODER):
        for _ in range(count):
            layers.append((size >> block, width, channels))
            width = channels
    for step, (channels, (_, skip)) in enumerate(zip(DECODER, reversed(ENCODER)), 1):
        side = size >> (len(DECODER) - step)
        layers += [(side, width + skip, channels), (side, channels, channels)]
        width = channels
    return [*layers, (size, width, classes)]


def convolution_seconds(side, inputs, outputs):
    """Seconds of one 3x3 convolution alone."""
    tf = tensorflow()
    image = tf.random.normal((1, side, side, inputs))
    kernel = tf.random.normal((3, 3, inputs, outputs))
    run = tf.function(lambda: tf.nn.conv2d(image, kernel, 1, "SAME"))
    return in_turns(run, repeats=7)[0]


if __name__ == "__main__":
    main()
