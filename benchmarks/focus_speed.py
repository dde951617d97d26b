"""Compare the speed of measure_focus with that of its peers, in one run, and measure its memory.

    python benchmarks/focus_speed.py

Peers on the same 2160x2160 16-bit image: CellProfiler's MeasureImageQuality (blur metrics only),
and the 2018 algorithm (the network of Yang et al., here with random weights), called once per
patch like in its plugin, and in one batch. Further output: time per pixel from 0.25 to 64
megapixels, and peak memory for 64 megapixels in addition to the image.
"""

import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import psutil
from processor import processor
from timing import in_turns, peak_memory

from focusqual import load_model, measure_focus
from focusqual.inference.patches import PATCH_SIZE
from focusqual.simulation import scenes
from micrograph_networks.engines.tensorflow import import_framework

SIDE = 2160
REPEATS = 5
MEGAPIXELS = (0.25, 1, 4, 16, 64)


def main():
    """Print one line per measurement: seconds, and the ratio to ours."""
    print(processor())
    image, model = nuclei_image(SIDE), load_model()
    patches, network = cut(image), network_of_2018()

    def call_per_patch():
        for patch in patches:
            network(patch[None])

    runs = {
        "measure_focus": partial(measure_focus, image, model),
        "MeasureImageQuality, blur metrics": measure_image_quality(image),
        "network of 2018, one call per patch": call_per_patch,
        "network of 2018, one batch": partial(network, patches),
    }
    seconds = in_turns(*runs.values(), repeats=REPEATS)
    print(f"{SIDE}x{SIDE} pixels, 16 bit, median of {REPEATS} runs, models loaded")
    for name, value in zip(runs, seconds):
        print(f"{name:45} {value:8.3f} s   {value / seconds[0]:6.1f} times ours")
    print("\ntime per pixel")
    for megapixels in MEGAPIXELS:
        image = nuclei_image(round(1000 * megapixels**0.5))
        (taken,) = in_turns(partial(measure_focus, image, model), repeats=3)
        print(f"{megapixels:10g} megapixels {1e9 * taken / image.size:8.1f} ns per pixel")
    command = [sys.executable, __file__, "memory"]
    print("\n" + subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())


def memory():
    """Print the peak memory for 64 megapixels, in addition to the image and the model."""
    image, model = np.tile(nuclei_image(1000), (8, 8)), load_model()
    measure_focus(image[:PATCH_SIZE, :PATCH_SIZE], model)
    process = psutil.Process()
    before = process.memory_info().rss / 2**20
    Path("/proc/self/clear_refs").write_text("5")  # reset the peak
    measure_focus(image, model)
    peak = peak_memory(process.pid) - before
    print(f"64 megapixels: peak of {peak:.0f} MiB above the image and the loaded model")


def nuclei_image(side):
    """Return a 16-bit image of nuclei."""
    tile = scenes.nuclei(np.random.default_rng(0), 500, 1.0)
    noise = np.random.default_rng(1).normal(200, 20, (side, side))
    repeats = -(-side // 500)
    return (noise + 3000 * np.tile(tile, (repeats, repeats))[:side, :side]).astype(np.uint16)


def cut(image):
    """Cut an image into patches like the 2018 algorithm, without incomplete patches."""
    count = image.shape[0] // PATCH_SIZE
    inside = image[: count * PATCH_SIZE, : count * PATCH_SIZE].astype(np.float32) / 65535
    patches = inside.reshape(count, PATCH_SIZE, count, PATCH_SIZE).swapaxes(1, 2)
    return patches.reshape(-1, PATCH_SIZE, PATCH_SIZE, 1)


def network_of_2018():
    """Return two 5x5 convolutions of 32 and 64 channels with pooling, then 1024 units, then 11."""
    tf = import_framework()
    rng = np.random.default_rng(0)
    shapes = ((5, 5, 1, 32), (5, 5, 32, 64), (21 * 21 * 64, 1024), (1024, 11))
    first, second, hidden, last = (
        tf.constant(rng.normal(0, 0.02, shape).astype(np.float32)) for shape in shapes
    )

    @tf.function(input_signature=[tf.TensorSpec((None, PATCH_SIZE, PATCH_SIZE, 1))])
    def predict(x):
        for kernel in (first, second):
            x = tf.nn.max_pool2d(tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME")), 2, 2, "SAME")
        x = tf.nn.relu(tf.reshape(x, (-1, 21 * 21 * 64)) @ hidden)
        return tf.nn.softmax(x @ last)

    def run(patches):
        return predict(patches).numpy()

    return run


def measure_image_quality(image):
    """Return a function that runs CellProfiler's module on the image, with blur metrics only."""
    from cellprofiler_core import preferences

    preferences.set_headless()
    from cellprofiler.modules.measureimagequality import MeasureImageQuality
    from cellprofiler_core.image import Image, ImageSetList
    from cellprofiler_core.measurement import Measurements
    from cellprofiler_core.object import ObjectSet
    from cellprofiler_core.pipeline import Pipeline
    from cellprofiler_core.workspace import Workspace

    module = MeasureImageQuality()
    module.set_module_num(1)
    group = module.image_groups[0]
    module.images_choice.value = "Select..."
    group.image_names.value = "Image"
    group.check_blur.value = True
    for check in (group.check_saturation, group.check_intensity, group.calculate_threshold):
        check.value = False
    images = ImageSetList().get_image_set(0)
    images.add("Image", Image(image.astype(np.float32) / 65535))
    pipeline = Pipeline()
    pipeline.add_module(module)
    workspace = Workspace(pipeline, module, images, ObjectSet(), Measurements(), ImageSetList())
    return partial(module.run, workspace)


if __name__ == "__main__":
    memory() if sys.argv[1:] == ["memory"] else main()
