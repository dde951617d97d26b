"""Make the pictures of the gallery, and print what the modules report for each image.

    .venv/bin/python release/gallery.py

docs/how_to/find_what_is_wrong_with_an_image.md shows the pictures and the reports.
"""

import io
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from scipy.ndimage import gaussian_filter, zoom

import focusqual
import segment
from focusqual.inference.picture import annotate
from focusqual.simulation.camera import photograph, saturate
from focusqual.simulation.defocus import defocus
from focusqual.simulation.degradation import degrade
from focusqual.simulation.scenes import filaments
from micrograph_networks.images.image_files import read_image
from segment.inference.picture import overlay
from segment.simulation.disturbances import blank_field, distant_discs
from segment.simulation.scenes import darkfield_scene

ROOT = Path(__file__).resolve().parent.parent
SIDE = 420
"""Height and width of the focus images in pixels: five patches."""


def main():
    """Make both pictures and print both tables."""
    for name, measure, columns in (("focus", measure_focus, 5), ("darkfield", find_cells, 3)):
        reports, pictures = measure()
        draw(ROOT / "docs" / f"gallery_{name}.png", pictures, columns)
        for image, values in reports.items():
            print(f"| {image} | {' | '.join(values)} |")


def measure_focus():
    """Measure the focus images.

    Returns
    -------
    reports : dict of str to list of str
        Score, expected level, certainty and fraction of patches in focus, by name of the image.
    pictures : dict of str to ndarray
        Annotated images.
    """
    model = focusqual.load_model()
    reports, pictures = {}, {}
    for name, image in focus_images().items():
        measurement = focusqual.measure_focus(image, model)
        summary = measurement.summary
        reports[name] = [f"{summary['score']:.0f}", f"{summary['expected_level']:.1f}"]
        reports[name] += [f"{summary[key]:.2f}" for key in ("certainty", "fraction_in_focus")]
        pictures[name] = annotate(image, measurement)
    return reports, pictures


def focus_images():
    """Return an image of CellProfiler and changed copies of it by name."""
    folder = Path(find_spec("cellprofiler").origin).parent / "data/examples/ExampleFly/images"
    fields = [read_image(path) for path in sorted(folder.glob("*_D.TIF"))]
    sharp = fields[0][:SIDE, :SIDE]
    rng = np.random.default_rng(0)
    fibers = 400 * defocus(filaments(rng, SIDE, 2.0), 16)
    quarters = [
        half[:, x : x + SIDE]
        for field in fields
        for half in (field[:SIDE], field[-SIDE:])
        for x in (0, 500)
    ]
    return {
        "sharp": sharp,
        **{f"level {level}": degrade(sharp, level) for level in (3, 6, 10)},
        "blank": photograph(rng, np.zeros((SIDE, SIDE))),
        "saturated": eight_bits(12.0 * sharp),
        "uneven illumination": eight_bits(np.linspace(1, 0.1, SIDE) * sharp),
        "debris": eight_bits(sharp + np.where(np.arange(SIDE) > SIDE / 2, fibers, 0)),
        "crowded": np.max(quarters, axis=0),
        "wrong scale": eight_bits(zoom(sharp.astype(float), 2, order=1)),
    }


def eight_bits(values):
    """Round to uint8; values saturate at 0 and 255."""
    return saturate(values, np.dtype(np.uint8))


def find_cells():
    """Segment the dark-field images.

    Returns
    -------
    reports : dict of str to list of str
        Blood cells and spirochaetes that were found and drawn, and mean uncertainty, by name.
    pictures : dict of str to ndarray
        Images with outlines.
    """
    model = segment.load_model()
    reports, pictures = {}, {}
    for name, (image, scenes, diameter) in darkfield_images().items():
        options = segment.SegmentationOptions(cell_diameter=diameter)
        found = segment.segment_image(image, model, options=options)
        drawn = (sum(one.cells for one in scenes), sum(one.spirochaetes for one in scenes))
        counts = [f"{len(one.means)} of {true}" for one, true in zip(found.by_class, drawn)]
        reports[name] = [*counts, f"{found.uncertainty.mean():.3f}"]
        objects = [(one.labels, one.pixel_class.color) for one in found.by_class]
        pictures[name] = overlay(image, objects)
    return reports, pictures


def darkfield_images():
    """Return image, scenes in it and cell diameter (None: that of training) by name."""
    rng = np.random.default_rng(3)
    scenes = [darkfield_scene(rng) for _ in range(9)]
    image, one = scenes[0].image, scenes[:1]
    nothing = np.zeros_like(scenes[0].classes)
    pictures = [scene.image for scene in scenes]
    # A mosaic on black, because spirochaetes would be found along edges of the background.
    black = [eight_bits(picture - np.median(picture, axis=(0, 1))) for picture in pictures]
    field = np.concatenate([np.concatenate(black[n::3], axis=1) for n in range(3)])
    shade = np.linspace(1, 0.15, image.shape[1])[:, None]
    return {
        "sharp": (image, one, None),
        "out of focus": (eight_bits(gaussian_filter(image * 1.0, (12, 12, 0))), one, None),
        "blank": (blank_field(image, nothing, rng)[0], [], None),
        "saturated": (eight_bits(8.0 * image), one, None),
        "uneven illumination": (eight_bits(shade * image), one, None),
        "debris": (distant_discs(image, nothing, rng)[0], one, None),
        "crowded": (np.max(pictures[:5], axis=0), scenes[:5], None),
        "wrong scale": (field, scenes, None),
        "with a diameter of 60": (field, scenes, 60),
    }


def draw(path, pictures, columns):
    """Draw named pictures of equal proportions in rows."""
    rows = len(pictures) // columns
    height, width = next(iter(pictures.values())).shape[:2]
    side = 10 / columns
    size = (10, (side * height / width + 0.25) * rows)
    figure = Figure(figsize=size, constrained_layout=True)
    for place, (name, picture) in zip(figure.subplots(rows, columns).flat, pictures.items()):
        place.imshow(picture)
        place.set_title(name, fontsize=10)
        place.axis("off")
    with io.BytesIO() as buffer:
        figure.savefig(buffer, dpi=150)
        reduced = Image.open(buffer).convert("RGB").quantize(method=Image.Quantize.FASTOCTREE)
        reduced.save(path, optimize=True)


if __name__ == "__main__":
    main()
