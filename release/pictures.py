"""Make docs/focus.png and docs/darkfield.png from the output of `make demo`.

.venv/bin/python release/pictures.py
"""

import sys
from pathlib import Path

import numpy as np

from micrograph_networks.images.image_files import read_image, write_png

ROOT = Path(__file__).resolve().parent.parent
FOCUS = [
    f"focus/output/01_POS002_D{level}_focus.png" for level in ("", "_level3", "_level6", "_level10")
]
DARKFIELD = ["darkfield/images/scene_08.png", "darkfield/output/scene_08_outlines.png"]
SIDE = 420
"""Height and width of the pictures in pixels: five patches."""
GAP = 8
"""Width of the gaps between pictures in pixels."""


def main():
    """Write both pictures."""
    pictures = {
        "focus": [picture(name)[:SIDE, :SIDE] for name in FOCUS],
        "darkfield": [picture(name)[:SIDE] for name in DARKFIELD],
    }
    for name, parts in pictures.items():
        write_png(ROOT / "docs" / f"{name}.png", side_by_side(parts))


def picture(name):
    """Read a color image that the demo saved."""
    path = ROOT / "demo" / name
    if not path.is_file():
        sys.exit(f"{path} does not exist: run make demo first.")
    return read_image(path)


def side_by_side(parts):
    """Join pictures of the same height with white gaps between them."""
    height = len(parts[0])
    gap = np.full((height, GAP, 3), 255, np.uint8)
    return np.concatenate([piece for part in parts for piece in (gap, part)][1:], axis=1)


if __name__ == "__main__":
    main()
