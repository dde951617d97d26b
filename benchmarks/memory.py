"""Measure the memory of CellProfiler over many image sets, without and with each module.

    python benchmarks/memory.py
    python benchmarks/memory.py --image-sets 300

Prints the memory of the process after every 50 image sets, and its growth since the first 50. The
last lines subtract the growth without our modules, which is CellProfiler's own.
"""

import argparse
import tempfile
from pathlib import Path

import psutil
from processor import processor
from runs import LAST, OURS, steps, write_images

SIZE = 256
EVERY = 50
SCALE = 0.5


def main():
    """Print one table for each pipeline."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--image-sets",
        type=int,
        default=2000,
        help="image sets, at least 50 (default: 2000)",
    )
    arguments = parser.parse_args()
    if arguments.image_sets < EVERY:
        parser.error(f"--image-sets must be {EVERY} or more")
    print(processor())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_images(folder / "images", arguments.image_sets, SIZE)
        without = grown(folder, ())
        ours = {name: grown(folder, (name,)) - without for name in OURS}
    print("\ngrowth above that without our modules")
    for name, growth in ours.items():
        print(f"{growth:19.1f} MB  {name}")


def grown(folder, names):
    """Run a pipeline with some of our modules, and print a line every 50 image sets.

    Returns
    -------
    float
        Growth of the process in MB since the first 50 image sets.
    """
    print(f"\n{' '.join(names) or 'without our modules'}")
    print("image sets  memory  growth since the first 50")
    first = None
    for step in steps(folder, names, SCALE):
        if step.module == LAST and step.image_set % EVERY == 0:
            held = psutil.Process(step.process).memory_info().rss / 2**20
            first = first or held
            print(f"{step.image_set:10} {held:5.0f} MB {held - first:6.1f} MB", flush=True)
    return held - first


if __name__ == "__main__":
    main()
