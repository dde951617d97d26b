"""Change operators, numbers and arguments of the code, and count the changes that tests detect.

    python benchmarks/mutants.py --sample 300
    python benchmarks/mutants.py --show focusqual.inference.maps.x_patch_map__mutmut_3

Each changed function is a mutant. mutmut makes all of them in mutants/ and runs the tests that call
the function, as configured in pyproject.toml. The table counts the mutants of a random sample by
package. A list of the survivors follows; equivalent_mutants.csv explains those that do not change
any result. Mutants of functions that only other tests call, such as those of modules in
CellProfiler, are counted separately.

The tests run in forked processes, in which TensorFlow and Java do not work. The tests therefore do
not find TensorFlow, and micrograph_networks/cellprofiler is not mutated.
"""

import argparse
import os
import random
import re
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MUTANTS = ROOT / "mutants"
MUTMUT = """
import sys
sys.modules.update(tensorflow=None, keras=None)
from mutmut.__main__ import cli
cli()
"""
MUTMUT_FOLDER = ROOT / "build" / "mutmut"
AT_START = """
import os
if os.environ.get("MUTANT_UNDER_TEST") == "stats":
    os.environ["MUTANT_UNDER_TEST"] = ""  # mutmut records the functions of its own process only
"""
FEW = "focusqual.inference.options.*"
"""Mutants for the first run, in which mutmut makes all."""
PACKAGE = re.compile(r"focusqual\.inference|segment\.inference|micrograph_networks(\.\w+)?(?=\.)")


def main():
    """Run mutmut on a sample of mutants and print its results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="regular expression of the mutants' names")
    parser.add_argument("--sample", type=int, default=300, help="number of mutants (300)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the sample (0)")
    parser.add_argument("--show", help="name of a mutant to show")
    arguments = parser.parse_args()
    if arguments.show:
        mutmut("show", arguments.show)
        return
    mutmut("run", "--max-children", "1", FEW)
    names = [name for name in mutant_names() if re.search(arguments.only, name)]
    sample = random.Random(arguments.seed).sample(names, min(arguments.sample, len(names)))
    mutmut("run", "--max-children", "1", *sample)
    print_results(set(sample))


def mutmut(*arguments, **options):
    """Run mutmut in the root of the project."""
    command = [sys.executable, "-c", MUTMUT, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(MUTMUT_FOLDER)}
    (MUTMUT_FOLDER / "sitecustomize.py").write_text(AT_START)
    return subprocess.run(command, cwd=ROOT, env=environment, check=True, text=True, **options)


def mutant_names():
    """List the mutants that mutmut has made."""
    names = []
    for path in sorted(MUTANTS.rglob("*.py")):
        module = ".".join(path.relative_to(MUTANTS).with_suffix("").parts)
        found = re.findall(r"^ *def (x\w+__mutmut_\d+)\(", path.read_text(), re.M)
        names += [f"{module}.{name}" for name in found]
    return names


def print_results(names):
    """Print the outcomes of the named mutants by package, then the survivors."""
    listed = mutmut("results", "--all", "true", stdout=subprocess.PIPE).stdout
    outcomes = dict(line.strip().split(": ") for line in listed.splitlines() if ": " in line)
    counts = defaultdict(Counter)
    for name in names:
        counts[PACKAGE.match(name).group()][outcomes[name]] += 1
    print("package,mutants,killed,survived,other,not called by these tests")
    for package, count in sorted(counts.items()):
        known = [count[outcome] for outcome in ("killed", "survived", "no tests")]
        other = sum(count.values()) - sum(known)
        print(package, sum(count.values()), *known[:2], other, known[2], sep=",")
    for name in sorted(name for name in names if outcomes[name] == "survived"):
        print(name)


if __name__ == "__main__":
    main()
