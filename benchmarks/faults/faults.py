"""Test the command lines and modules with bad input and kills, and write docs/faults.md.

    python benchmarks/faults/faults.py
    python benchmarks/faults/faults.py --cases 200 --seed 1
    python benchmarks/faults/faults.py --only extreme

It takes about half an hour. A case must be refused in one sentence or give a complete result; other
cases are printed, and the exit code is 1. Root mounts full and read-only disks in memory; other
users get limits and permissions instead. With --only, the tables are printed, and the page stays.
"""

import argparse
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

import psutil
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
from originals import PNG, ROOT, TIFF
from products import PRODUCTS

PAGE = ROOT / "docs" / "faults.md"
LIMIT, LARGE_LIMIT = 60, 900
"""Time limits of a case in seconds, for small and for all images."""
FAILED = "failed"
PARTS = ("damaged", "extreme", "interrupted")
"""Parts of the page, each with a table."""


def _of_every_product(label, function, *arguments):
    """Return label, function and arguments for each module and its core."""
    return [
        (label.format(product=product), function, (product, *arguments)) for product in PRODUCTS
    ]


DAMAGED = [
    *_of_every_product("PNG, `{product.command} predict`", mutated.image, PNG),
    *_of_every_product("TIFF, `{product.command} predict`", mutated.image, TIFF),
    ("PNG masks, `segment-darkfield convert-masks`", mutated.mask, ()),
    *_of_every_product("weights, `{product.command} predict`", mutated.weights),
    *_of_every_product("weights, {product.module}", mutated.module_weights),
    ("CSV of scores, `focusqual summarize`", mutated.focus_table, ()),
    ("CSV of images and masks, `segment-darkfield evaluate`", mutated.data_table, ("data.csv",)),
    ("CSV of a split, `segment-darkfield evaluate`", mutated.data_table, ("split.csv",)),
    *_of_every_product("settings in a .cppipe, {product.module}", mutated.settings),
]
INTERRUPTED = [
    *_of_every_product(
        "`{product.command} predict` killed before each file, then run to its end",
        processes.killed_predict,
    ),
    *_of_every_product(
        "`{product.command} predict` killed at any moment, then run to its end",
        processes.killed_at_random,
        0,
    ),
    *_of_every_product(
        "`{product.command} train` killed before and after each file, then run to its end",
        processes.killed_training,
    ),
    ("the disk full, all commands that write", processes.disk_full, ()),
    ("output folder read-only, all commands that write", processes.read_only, ()),
    *_of_every_product("`{product.command} predict` twice at once", processes.two_predict),
    *_of_every_product("`{product.command} train` twice at once", processes.two_trainings),
    ("image or mask deleted after it was listed", processes.deleted_images, ()),
    *_of_every_product(
        "an unreadable image among three, {product.module}, `--always-continue`",
        processes.always_continue,
    ),
    *_of_every_product(
        "an unreadable image among three, {product.module}, without that option", processes.stops
    ),
]


PAGE_TEXT = """# Bad input, kills, full disks

Made by `python benchmarks/faults/faults.py{options}` in {minutes:.0f} minutes on {cpus} CPUs.
Cases that broke the rules below: {failures}.

## Damaged files and settings

Valid files are truncated, 1 to 32 of their bits are flipped, or tables and settings get invalid
values. The rule: either one sentence names the file and says what to do, or everything is read and
the result is complete. There is no crash, no hang ({limit} s) and no incomplete file, and a good
image gets the same numbers as without the damaged one. A damaged image may still be a valid image,
because some formats have no checksums.

{damaged}

## Extreme images

Each image was measured by the command lines and by the modules.

{extreme}

## Kills, disks, two processes at once

The rule: every file on disk is complete whenever a process dies (except hidden temporary files),
the next run gives the same result as an undisturbed one, and errors are reported in one sentence.

{interrupted}
"""


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
    """Run cases of all kinds in turn and return a table."""
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
    return table(["what", "cases", "refused", "read", "broke the rule"], rows)


def extreme_images(failures):
    """Measure every image by all command lines and modules and return a table."""
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
    by = [name for product in PRODUCTS for name in (f"`{product.command} predict`", product.module)]
    return table(["image", *by], rows)


def interrupted(failures):
    """Interrupt processes and return a table."""
    rows = []
    for label, fault, arguments in tqdm(INTERRUPTED, "processes", disable=None):
        with tempfile.TemporaryDirectory() as folder:
            done = failures.check(label, _exhaust, fault, Path(folder), arguments)
        rows.append([label, done if done == FAILED else len(done) or "not possible here"])
    return table(["what", "cases"], rows)


def _exhaust(fault, folder, arguments):
    return list(fault(folder, *arguments))


def table(columns, rows):
    """Return a table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def main():
    """Run everything and write the page, or run some parts and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=1400, help="number of damaged inputs (1400)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the damages (0)")
    parser.add_argument("--only", choices=PARTS, nargs="+", help="print the tables of these parts")
    arguments = parser.parse_args()
    started, failures = time.monotonic(), Failures()
    parts, tables = arguments.only or PARTS, {}
    if "damaged" in parts:
        tables["damaged"] = damaged_inputs(failures, arguments.cases, arguments.seed)
    if "extreme" in parts:
        tables["extreme"] = extreme_images(failures)
    if "interrupted" in parts:
        tables["interrupted"] = interrupted(failures)
    if arguments.only:
        print("\n\n".join(tables.values()))
    else:
        write_page(tables, failures, (time.monotonic() - started) / 60)
    print(f"Broke the rules: {len(failures)}")
    sys.exit(bool(failures))


def write_page(tables, failures, minutes):
    """Write the page of the documentation."""
    PAGE.write_text(
        PAGE_TEXT.format(
            options="".join(f" {option}" for option in sys.argv[1:]),
            minutes=minutes,
            cpus=psutil.cpu_count(),
            failures=len(failures),
            limit=LIMIT,
            **tables,
        )
    )
    print(f"Wrote {PAGE}")


if __name__ == "__main__":
    main()
