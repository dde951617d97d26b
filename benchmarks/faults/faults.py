"""Give the command lines and modules bad input, kill them, and write what happened to the docs.

    python benchmarks/faults/faults.py
    python benchmarks/faults/faults.py --cases 200 --seed 1
    python benchmarks/faults/faults.py --only extreme

Takes about half an hour. Whatever is neither refused in one sentence nor done as a whole is
printed, and the exit code is 1. Where disks in memory can be mounted (as root), so is the full
and the read-only disk; elsewhere limits and permissions take their place. With --only the page is
left as it is, and the tables are printed.
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

# The tests know how to run a module, and how to fill a network. They have folders named like the
# packages, which come first.
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
"""Seconds after which a case hangs, for small images and for any."""
FAILED = "failed"
PARTS = ("damaged", "extreme", "interrupted")
"""Of the page, each with a table."""


def _of_every_product(label, function, *arguments):
    """The same for each module and its core: label, function and arguments."""
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
        "`{product.command} predict` killed before and after each file, then run to its end",
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

Made by `python benchmarks/faults/faults.py{options}`, which anyone can run, in {minutes:.0f}
minutes on {cpus} CPUs. Cases that went against the rules below: {failures}.

## Damaged files and settings

Sound files are truncated, get 1 to 32 bits turned over, or, for tables and settings, values out of
their range. The rule: either one sentence names the file and what to do, or everything is read and
the result is whole; no crash, no hang ({limit} s), no file half-written, and an image beside the
damaged one gets the same numbers as by itself. A damaged image may still be an image: formats
without checksums cannot tell.

{damaged}

## Extreme images

Each through the command lines and through the modules.

{extreme}

## Kills, disks, two at once

The rule: every file on disk is whole whenever a process dies (hidden files with a temporary name
aside), the next run goes on to the same result as one undisturbed, and what cannot be done is said
in one sentence.

{interrupted}
"""


class Failures(list):
    """What went against the rules; printed as it happens."""

    def check(self, name, function, *arguments):
        """What a function returns, or FAILED if it raises an exception."""
        try:
            return function(*arguments)
        except Exception:
            self.append(name)
            tqdm.write(f"{name}:\n{traceback.format_exc()}\n")
            return FAILED


def damaging(folder):
    """A process for damaged inputs, which are made of sound ones in a folder."""
    return Isolated(mutated.prepare_modules, folder, seconds=LIMIT)


def damaged_inputs(failures, cases, seed):
    """Cases that take turns through the kinds; gives a table."""
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
    return table(["what", "cases", "refused", "read", "against the rule"], rows)


def extreme_images(failures):
    """Every image through all command lines and modules; gives a table."""
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
    """Faults of processes; gives a table."""
    rows = []
    for label, fault, arguments in tqdm(INTERRUPTED, "processes", disable=None):
        with tempfile.TemporaryDirectory() as folder:
            done = failures.check(label, _exhaust, fault, Path(folder), arguments)
        rows.append([label, done if done == FAILED else len(done) or "not possible here"])
    return table(["what", "cases"], rows)


def _exhaust(fault, folder, arguments):
    return list(fault(folder, *arguments))


def table(columns, rows):
    """A table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def main():
    """Run everything and write the page, or run some parts and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=1400, help="damaged inputs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=PARTS, nargs="+", help="parts; the page stays as it is")
    arguments = parser.parse_args()
    started, failures = time.monotonic(), Failures()
    parts = {
        "damaged": lambda: damaged_inputs(failures, arguments.cases, arguments.seed),
        "extreme": lambda: extreme_images(failures),
        "interrupted": lambda: interrupted(failures),
    }
    tables = {name: parts[name]() for name in arguments.only or PARTS}
    if arguments.only:
        print("\n\n".join(tables.values()))
    else:
        write_page(tables, failures, (time.monotonic() - started) / 60)
    print(f"Against the rules: {len(failures)}")
    sys.exit(bool(failures))


def write_page(tables, failures, minutes):
    """Write what happened to the docs."""
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
