"""Give the command lines and modules bad input, kill them, and write what happened to the docs.

    python benchmarks/faults/faults.py
    python benchmarks/faults/faults.py --cases 200 --seed 1

Takes about half an hour. Whatever is neither refused in one sentence nor done as a whole is
printed, and the exit code is 1. Where disks in memory can be mounted (as root), so is the full
and the read-only disk; elsewhere limits and permissions take their place.
"""

import argparse
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

import originals
from tqdm import tqdm

# The modules' tests know how to run a module.
sys.path.insert(0, str(originals.ROOT / "tests" / "plugins"))

import extreme
import mutated
import processes
from isolation import Isolated

PAGE = originals.ROOT / "docs" / "faults.md"
PNG, TIFF = originals.PNG, originals.TIFF
DAMAGED = [
    ("PNG, `focusqual predict`", mutated.image, ("focusqual", PNG)),
    ("TIFF, `focusqual predict`", mutated.image, ("focusqual", TIFF)),
    ("PNG, `segment predict`", mutated.image, ("segment", PNG)),
    ("TIFF, `segment predict`", mutated.image, ("segment", TIFF)),
    ("PNG masks, `segment convert-masks`", mutated.mask, ()),
    ("weights, `focusqual predict`", mutated.weights, ("focusqual",)),
    ("weights, `segment predict`", mutated.weights, ("segment",)),
    ("weights, MeasureImageFocusQuality", mutated.module_weights, ("focusqual",)),
    ("weights, SegmentDarkfieldCells", mutated.module_weights, ("segment",)),
    ("CSV of scores, `focusqual summarize`", mutated.focus_table, ()),
    ("CSV of images and masks, `segment evaluate`", mutated.data_table, ("data.csv",)),
    ("CSV of a split, `segment evaluate`", mutated.data_table, ("split.csv",)),
    ("settings in a .cppipe, MeasureImageFocusQuality", mutated.settings, ("focusqual",)),
    ("settings in a .cppipe, SegmentDarkfieldCells", mutated.settings, ("segment",)),
]
BY = {name: (f"`{name} predict`", module) for name, (module, _) in mutated.MODULES.items()}
LIMIT, LARGE_LIMIT = 60, 900
"""Seconds after which a case hangs, for small images and for any."""
PACKAGES = ("focusqual", "segment")
TRAININGS = {
    "focusqual": (processes.train_focus, "focus.h5"),
    "segment": (processes.train_darkfield, "darkfield.h5"),
}
FAILED = "failed"
FILES = {"focusqual": 5, "segment": 10}
"""That `predict` writes for three images."""
INTERRUPTED = [
    *(
        (f"`{name} predict` {what}, then run to its end", fault, (name, argument))
        for name in PACKAGES
        for what, fault, argument in (
            ("killed before and after each file", processes.killed_predict, FILES[name]),
            ("killed at any moment", processes.killed_at_random, 0),
        )
    ),
    *(
        (
            f"`{name} train` killed before and after each file, then run to its end",
            processes.killed_training,
            TRAININGS[name],
        )
        for name in PACKAGES
    ),
    ("the disk full, all commands that write", processes.disk_full, ()),
    ("output folder read-only, all commands that write", processes.read_only, ()),
    *((f"`{name} predict` twice at once", processes.two_predict, (name,)) for name in PACKAGES),
    *(
        (f"`{name} train` twice at once", processes.two_trainings, TRAININGS[name])
        for name in PACKAGES
    ),
    ("image or mask deleted after it was listed", processes.deleted_images, ()),
    *(
        (f"an unreadable image among three, {mutated.MODULES[name][0]}, {option}", fault, (name,))
        for name in PACKAGES
        for option, fault in (
            ("`--always-continue`", processes.always_continue),
            ("without that option", processes.stops),
        )
    ),
]


PAGE_TEXT = """# Bad input, kills, full disks

Made by `python benchmarks/faults/faults.py{options}`, which anyone can run, in {minutes:.0f} minutes
on 2 CPUs. Cases that went against the rules below: {failures}.

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


def run_damaged(failures, cases, seed):
    """Cases that take turns through the kinds; gives rows of a table."""
    outcomes = {label: Counter() for label, _, _ in DAMAGED}
    with tempfile.TemporaryDirectory() as folder, damaging(Path(folder)) as isolated:
        for number in tqdm(range(cases), "damaged", disable=None):
            label, kind, arguments = DAMAGED[number % len(DAMAGED)]
            case = (mutated.case, Path(folder), number, seed, kind, arguments)
            outcome = failures.check(f"{label}, case {number}", isolated.call, *case)
            outcomes[label][outcome] += 1
    for label, count in outcomes.items():
        counts = (count[outcome] for outcome in (mutated.REFUSED, mutated.WHOLE, FAILED))
        yield (label, sum(count.values()), *counts)


def run_extreme(failures):
    """Every image through all four; gives rows of a table."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Isolated(mutated.load_modules, seconds=LARGE_LIMIT) as isolated,
    ):
        paths = extreme.write(Path(folder))
        for name, path in tqdm(paths.items(), "extreme", disable=None):
            calls = [
                call
                for package in PACKAGES
                for call in (
                    (extreme.through_command_line, Path(folder), package, path),
                    (extreme.through_module, package, path),
                )
            ]
            yield (name, *(failures.check(name, isolated.call, *call) for call in calls))
            path.unlink()


def run_interrupted(failures):
    """Faults of processes; gives rows of a table."""
    for label, fault, arguments in tqdm(INTERRUPTED, "processes", disable=None):
        with tempfile.TemporaryDirectory() as folder:
            done = failures.check(label, _exhaust, fault, Path(folder), arguments)
        yield label, done if done == FAILED else len(done) or "not possible here"


def _exhaust(fault, folder, arguments):
    return list(fault(folder, *arguments))


def table(columns, rows):
    """A table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def main():
    """Run everything and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=1400, help="damaged inputs")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    started, failures = time.monotonic(), Failures()
    damaged = run_damaged(failures, arguments.cases, arguments.seed)
    parts = {
        "damaged": table(["what", "cases", "refused", "read", "against the rule"], damaged),
        "extreme": table(
            ["image", *(f"{by}" for package in PACKAGES for by in BY[package])],
            run_extreme(failures),
        ),
        "interrupted": table(["what", "cases"], run_interrupted(failures)),
    }
    PAGE.write_text(
        PAGE_TEXT.format(
            options="".join(f" {option}" for option in sys.argv[1:]),
            minutes=(time.monotonic() - started) / 60,
            failures=len(failures),
            limit=LIMIT,
            **parts,
        )
    )
    print(f"Wrote {PAGE}. Against the rules: {len(failures)}")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
