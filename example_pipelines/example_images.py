"""Draw the images of two how-to guides: a plate in plate1/, and stacks in stacks/.

    python example_pipelines/example_images.py

The plate has 96 wells. Its right side leaves the focus, and three wells are empty. The stacks are
two wells in nine planes, and a third well that is empty.
"""

from pathlib import Path

import numpy as np

from focusqual.simulation.camera import photograph
from focusqual.simulation.defocus import defocus
from focusqual.simulation.scenes import nuclei
from micrograph_networks.images.image_files import write_tiff

SIZE = 252
"""Height and width of the images in pixels: three patches."""
EMPTY = ("C03", "D03", "F06")
"""Empty wells of the plate."""
FOCUS = {"A01": 8, "A02": 12, "A03": None}
"""Focus of each stack in micrometers; None: the well is empty."""
COLUMNS = "image,stack,position,focus,kind,pixel_size,numerical_aperture,wavelength"
"""Columns of stacks.csv."""


def main():
    """Draw the plate and the stacks."""
    draw_plate(Path("plate1"))
    draw_stacks(Path("stacks"))
    print("Wrote plate1 (96 images) and stacks (27 images)")


def draw_plate(folder):
    """Draw one image of each well."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    for row in "ABCDEFGH":
        for column in range(1, 13):
            well = f"{row}{column:02}"
            depth = 2 * max(0, column - 8) + 2 * (row == "H")
            image = picture(rng, scene(rng, well in EMPTY), depth)
            write_tiff(folder / f"plate1_{well}_s1.tif", image)


def draw_stacks(folder):
    """Draw planes 2 micrometers apart, and list those of wells that are not empty in stacks.csv."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    rows = [COLUMNS]
    for well, focus in FOCUS.items():
        specimen = scene(rng, focus is None)
        for plane in range(1, 10):
            name = f"{well}_z{plane:02}.tif"
            write_tiff(folder / name, picture(rng, specimen, 2 * plane - (focus or 0)))
            if focus is not None:
                rows.append(f"{name},{well},{2 * plane},{focus},fluorescence,0.65,0.5,0.5")
    (folder / "stacks.csv").write_text("\n".join(rows) + "\n")


def scene(rng, is_empty):
    """Return nuclei, or nothing: float (SIZE, SIZE)."""
    return np.zeros((SIZE, SIZE)) if is_empty else nuclei(rng, SIZE, 1.0)


def picture(rng, specimen, depth):
    """Photograph a specimen at a distance from the focus, in micrometers: uint16 (SIZE, SIZE)."""
    return photograph(rng, defocus(specimen, depth))


if __name__ == "__main__":
    main()
