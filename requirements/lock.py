"""Resolve requirements/*.txt again; `make lock` runs it.

Locked versions stay where they can; delete a file to take the newest ones. Only the wheels that the
platform can install are listed, or the source distribution of a package without wheels.
"""

import os
import subprocess
from pathlib import Path

import tomllib

LINUX = "x86_64-manylinux_2_31"  # glibc of Debian 11, which containers use


def lock(name, python, *options, platforms=(LINUX,)):
    """Write the versions and hashes of requirements/NAME.in to requirements/NAME.txt."""
    path = Path("requirements", f"{name}.txt")
    resolve = [os.environ["UV"], "pip", "compile", "--quiet", "--python-version", python]
    subprocess.run([*resolve, path.with_suffix(".in"), *options, "-o", path], check=True)
    hashes = {}
    for platform in platforms:
        files = ["--no-deps", "--format", "pylock.toml", "--python-platform", platform, path]
        found = subprocess.run([*resolve, *files], check=True, capture_output=True, text=True)
        for package in tomllib.loads(found.stdout)["packages"]:
            requirement = f"{package['name']}=={package['version']}"
            for file in package.get("wheels") or [package["sdist"]]:
                hashes.setdefault(requirement, set()).add(file["hashes"]["sha256"])
    with path.open("w", encoding="utf-8") as file:
        file.write("# Made by `make lock`.\n")
        for requirement, values in sorted(hashes.items()):
            lines = [requirement, *(f"    --hash=sha256:{value}" for value in sorted(values))]
            file.write(" \\\n".join(lines) + "\n")


def setup_py(*extras):
    """Return options that add the requirements of setup.py and of some of its extras."""
    return ["setup.py", *(f"--extra={extra}" for extra in extras)]


NO_WX = ["--override", "requirements/overrides.txt"]
COMPILED = ["--build-constraint", "requirements/build-constraints.txt"]
USER_EXTRAS = ("cellprofiler", "cpu", "train", "parquet")

lock("stable", "3.9.2", *setup_py(*USER_EXTRAS, "test", "lint"), *NO_WX, *COMPILED)
EVERYWHERE = (LINUX, "x86_64-apple-darwin", "x86_64-pc-windows-msvc")
lock("stock", "3.8", *NO_WX, *COMPILED, platforms=EVERYWHERE)
lock("next", "3.11", *setup_py("cpu", "train", "test"), *NO_WX)
lock("tools", "3.11", *setup_py("cpu", "test", "zoo"))
lock("gui", "3.11", "--override", "requirements/gui-overrides.txt", *COMPILED)
