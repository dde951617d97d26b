"""CellProfiler 4 and the command lines read the same pixels of a file."""

import numpy as np
import pytest
import tifffile
from harness import CELLPROFILER_5
from PIL import Image

from micrograph_networks.images.planes import planes_of

pytestmark = pytest.mark.skipif(CELLPROFILER_5, reason="the reference is Bio-Formats")
SHAPE = (24, 32)
RAMP = np.arange(256) * 257
UNASSOCIATED, ASSOCIATED = ({"extrasamples": [kind]} for kind in ("unassalpha", "assocalpha"))


def write_tiffs(folder, rng):
    """Write TIFF files of all color models."""
    gray, more = rng.integers(0, 255, (2, *SHAPE), dtype=np.uint8)
    color = rng.integers(0, 255, (*SHAPE, 3), dtype=np.uint8)
    four = np.dstack([color, gray])
    four_planes = np.moveaxis(four, -1, 0)
    planar = {"planarconfig": "separate"}
    images = {
        "gray": (gray, {}),
        "int16": (gray.astype(np.int16) - 99, {}),
        "int32": (gray.astype(np.int32) * 9_000_000 - 2**30, {}),
        "uint32": (gray.astype(np.uint32) * 16_000_000, {}),
        "float": (gray / np.float32(255), {}),
        "bits": (gray > 99, {"photometric": "minisblack"}),
        "min is white": (gray, {"photometric": "miniswhite"}),
        "min is white, 16 bits": (gray.astype(np.uint16) * 257, {"photometric": "miniswhite"}),
        "palette": (gray, {"photometric": "palette", "colormap": [RAMP[::-1], RAMP, RAMP // 2]}),
        "RGB": (color, {"photometric": "rgb"}),
        "planar RGB": (np.moveaxis(color, -1, 0), {"photometric": "rgb", **planar}),
        "alpha": (four, {"photometric": "rgb", **UNASSOCIATED}),
        "associated alpha": (four, {"photometric": "rgb", **ASSOCIATED}),
        "planar alpha": (
            np.moveaxis(four, -1, 0),
            {"photometric": "rgb", **UNASSOCIATED, **planar},
        ),
        "CMYK": (four, {"photometric": "separated"}),
        "planar CMYK": (four_planes, {"photometric": "separated", **planar}),
        "JPEG": (color, {"photometric": "ycbcr", "compression": "jpeg"}),
        "rotated": (more, {"extratags": [(274, "H", 1, 6, True)]}),
    }
    for name, (image, options) in images.items():
        tifffile.imwrite(folder / f"{name}.tif", image, metadata=None, **options)
    # Colors within the range, because CellProfiler overflows outside of it.
    Image.fromarray(100 + color // 4).convert("YCbCr").save(folder / "YCbCr.tif")
    return sorted(folder.iterdir())


def test_pixels_are_those_of_cellprofiler(java, tmp_path, rng):
    from cellprofiler_core.image import ColorImage

    different = []
    for path in write_tiffs(tmp_path, rng):
        expected = ColorImage("Image", path.as_uri(), 0, None).provide_image(None).pixel_data
        (plane,) = planes_of([path])
        found = plane.read()
        if found.dtype.kind in "iu":
            limits = np.iinfo(found.dtype)
            found = found / np.float32(limits.max - limits.min)
        found = np.broadcast_to(found[..., None], expected.shape) if found.ndim == 2 else found
        if not np.allclose(found[..., :3], expected, atol=1e-6):
            different.append(path.name)
    assert not different
