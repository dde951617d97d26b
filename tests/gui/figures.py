"""Take the pictures of both figures in docs/, after `make test-gui`.

    .venv-gui/bin/python tests/gui/figures.py

They show an image that CellProfiler contains and a simulated scene.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PICTURES = {"focus_three.png": "focus_window.png", "darkfield.png": "darkfield_window.png"}
"""Names of the pictures in the tests and in docs/."""


def main():
    """Run the tests of the window that take the pictures."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "WINDOW_FOLDER": folder}
        command = [sys.executable, "-m", "pytest", "-q", "-m", "window", ROOT / "tests" / "gui"]
        command += ["-k", "figure"]
        subprocess.run(command, cwd=ROOT, env=environment, check=True)
        for taken, name in PICTURES.items():
            (picture,) = Path(folder).rglob(taken)
            reduce = ["convert", picture, "-strip", "-colors", "128", ROOT / "docs" / name]
            subprocess.run(reduce, check=True)


if __name__ == "__main__":
    main()
