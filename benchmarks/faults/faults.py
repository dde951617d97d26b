"""Test the command lines and modules with bad input and kills, and write CSV tables here.

    python benchmarks/faults/faults.py
    python benchmarks/faults/faults.py --cases 200 --seed 1
    python benchmarks/faults/faults.py --only extreme

It takes about half an hour. Other cases than those that keep the rules are printed, and the exit
code is 1. Root mounts full and read-only disks in memory; other users get limits and permissions
instead.

damaged.csv: valid files are truncated, 1 to 32 of their bits are flipped, or tables and settings
get invalid values. The rule: either one sentence names the file and says what to do, or everything
is read and the result is complete, because some formats have no checksums. There is no crash, no
hang, and no incomplete file, and a good image gets the same numbers as without the damaged one.
extreme.csv: each image is measured by the command lines and by the modules. interrupted.csv: every
file on disk is complete whenever a process dies (except hidden temporary files), the next run gives
the same result as an undisturbed one, and errors are reported in one sentence.
"""

import argparse
import csv
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path

from tqdm import tqdm

# The tests have functions that run a module and fill a network. Their folders are named like the
# packages, so the packages come first.
sys.path.extend(
    str(Path(__file__).resolve().parents[2] / folder) for folder in (".", "tests", "tests/plugins")
)

import extreme
import mutated
import processes
from isolation import Isolated
from originals import PNG, TIFF
from products import PRODUCTS

LIMIT, LARGE_LIMIT = 60, 900
"""Time limits of a case in seconds, for small and for all images."""
FAILED = "failed"


def _of_every_product(label, function, *arguments):
    """Return label, function and arguments for each module and its core."""
    return [
        (label.format(product=product), function, (product, *arguments)) for product in PRODUCTS
    ]


DAMAGED = [
    *_of_every_product("PNG, {product.command} predict", mutated.image, PNG),
    *_of_every_product("TIFF, {product.command} predict", mutated.image, TIFF),
    ("PNG masks, segment-darkfield convert-masks", mutated.mask, ()),
    *_of_every_product("weights, {product.command} predict", mutated.weights),
    *_of_every_product("weights, {product.module}", mutated.module_weights),
    ("CSV of scores, focusqual summarize", mutated.focus_table, ()),
    ("CSV of images and masks, segment-darkfield evaluate", mutated.data_table, ("data.csv",)),
    ("CSV of a split, segment-darkfield evaluate", mutated.data_table, ("split.csv",)),
    *_of_every_product("settings in a .cppipe, {product.module}", mutated.settings),
]
INTERRUPTED = [
    *_of_every_product(
        "{product.command} predict killed before each file, then run to its end",
        processes.killed_predict,
    ),
    *_of_every_product(
        "{product.command} predict killed at any moment, then run to its end",
        processes.killed_at_random,
        0,
    ),
    *_of_every_product(
        "{product.command} train killed before and after each file, then run to its end",
        processes.killed_training,
    ),
    ("the disk full, all commands that write", processes.disk_full, ()),
    ("output folder read-only, all commands that write", processes.read_only, ()),
    *_of_every_product("{product.command} predict twice at once", processes.two_predict),
    *_of_every_product("{product.command} train twice at once", processes.two_trainings),
    ("image or mask deleted after it was listed", processes.deleted_images, ()),
    *_of_every_product(
        "an unreadable image among three, {product.module}, --always-continue",
        processes.always_continue,
    ),
    *_of_every_product(
        "an unreadable image among three, {product.module}, without that option", processes.stops
    ),
]


class Failures(list):
    """Cases that broke the rules; each is printed at once."""

    def check(self, name, function, *arguments):
        """Return the result of a function, or FAILED if it raises an exception."""
        try:
            return function(*arguments)
        except Exception:
            self.append(name)
            tqdm.write(f"{name}:\n{traceback.format_exc()}\n")
            return FAILED


def damaging(folder):
    """Return a process for damaged inputs, which are made from the originals in a folder."""
    return Isolated(mutated.prepare_modules, folder, seconds=LIMIT)


def damaged_inputs(failures, cases, seed):
    """Run cases of all kinds in turn and return the rows of a table."""
    outcomes = {label: Counter() for label, _, _ in DAMAGED}
    with tempfile.TemporaryDirectory() as folder, damaging(Path(folder)) as isolated:
        for number in tqdm(range(cases), "damaged", disable=None):
            label, kind, arguments = DAMAGED[number % len(DAMAGED)]
            case = (mutated.case, Path(folder), number, seed, kind, arguments)
            outcome = failures.check(f"{label}, case {number}", isolated.call, *case)
            outcomes[label][outcome] += 1
    rows = [
        (label, sum(count.values()), count[mutated.REFUSED], count[mutated.WHOLE], count[FAILED])
        for label, count in outcomes.items()
    ]
    return [("what", "cases", "refused", "read", "broke the rule"), *rows]


def extreme_images(failures):
    """Measure every image by all command lines and modules and return the rows of a table."""
    rows, isolated = [], Isolated(mutated.load_modules, seconds=LARGE_LIMIT)
    with tempfile.TemporaryDirectory() as folder, isolated:
        paths = extreme.write(Path(folder))
        for name, path in tqdm(paths.items(), "extreme", disable=None):
            rows.append([name])
            for product in PRODUCTS:
                command_line = (extreme.through_command_line, Path(folder), product, path)
                for call in (command_line, (extreme.through_module, product, path)):
                    rows[-1].append(failures.check(name, isolated.call, *call))
            path.unlink()
    by = [name for product in PRODUCTS for name in (f"{product.command} predict", product.module)]
    return [("image", *by), *rows]


def interrupted(failures):
    """Interrupt processes and return the rows of a table."""
    rows = []
    for label, fault, arguments in tqdm(INTERRUPTED, "processes", disable=None):
        with tempfile.TemporaryDirectory() as folder:
            done = failures.check(label, _exhaust, fault, Path(folder), arguments)
        rows.append([label, done if done == FAILED else len(done) or "not possible here"])
    return [("what", "cases"), *rows]


def _exhaust(fault, folder, arguments):
    return list(fault(folder, *arguments))


PARTS = {"damaged": damaged_inputs, "extreme": extreme_images, "interrupted": interrupted}
"""Functions that make the tables, by the names of their files."""


def main():
    """Run all parts or some of them and write their tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=1400, help="number of damaged inputs (1400)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the damages (0)")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=list(PARTS), help="parts")
    arguments = parser.parse_args()
    failures = Failures()
    for part in arguments.only:
        options = (arguments.cases, arguments.seed) if part == "damaged" else ()
        rows = PARTS[part](failures, *options)
        with open(Path(__file__).with_name(f"{part}.csv"), "w", newline="") as table:
            csv.writer(table, lineterminator="\n").writerows(rows)
    print(f"Broke the rules: {len(failures)}")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
