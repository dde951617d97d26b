"""Color models of TIFF. The expected values are what CellProfiler 4.2.8.1 shows."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from micrograph_networks.errors import UserError
from micrograph_networks.images.image_files import read_image
from micrograph_networks.images.planes import planes_of

RAMP = np.arange(256, dtype=np.uint16)
ALPHA = {"extrasamples": ["unassalpha"]}
ASSOCIATED = {"extrasamples": ["assocalpha"]}


@pytest.fixture
def gray(rng):
    return rng.integers(0, 255, (12, 16), dtype=np.uint8)


@pytest.fixture
def color(rng):
    return rng.integers(0, 255, (12, 16, 3), dtype=np.uint8)


def read(folder, image, **options):
    tifffile.imwrite(folder / "a.tif", image, metadata=None, **options)
    return read_image(folder / "a.tif")


@pytest.mark.parametrize("scale", [257, 1])
def test_palette_becomes_color(tmp_path, gray, scale):
    colors = np.stack([RAMP[::-1], RAMP // 2, RAMP // 3])
    found = read(tmp_path, gray, photometric="palette", colormap=(colors * scale))
    np.testing.assert_array_equal(found, colors.T[gray])
    grays = np.stack([RAMP * scale] * 3)
    np.testing.assert_array_equal(read(tmp_path, gray, photometric="palette", colormap=grays), gray)


def test_palette_of_few_colors_is_checked(tmp_path, color):
    palette = Image.fromarray(color).quantize(16)
    palette.save(tmp_path / "a.tif")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), np.array(palette.convert("RGB")))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_min_is_white_is_inverted(tmp_path, gray, dtype):
    found = read(tmp_path, gray.astype(dtype), photometric="miniswhite")
    np.testing.assert_array_equal(found, np.iinfo(dtype).max - gray.astype(dtype))


def test_bits_are_gray_levels(tmp_path, gray):
    bits = gray > 99
    np.testing.assert_array_equal(read(tmp_path, bits, photometric="minisblack"), bits.astype(int))
    np.testing.assert_array_equal(read(tmp_path, bits, photometric="miniswhite"), 1 - bits)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_inks_are_inverted_and_black_is_ignored(tmp_path, color, gray, dtype, planar):
    inks = np.dstack([color, gray]).astype(dtype)
    image = inks if planar == "contig" else np.moveaxis(inks, -1, 0)
    found = read(tmp_path, image, photometric="separated", planarconfig=planar)
    np.testing.assert_array_equal(found, np.iinfo(dtype).max - inks[..., :3])


@pytest.mark.parametrize("options", [{}, ALPHA, ASSOCIATED])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_rgb_is_one_image_and_alpha_changes_nothing(tmp_path, color, gray, options, planar):
    image = np.dstack([color, gray]) if options else color
    image = image if planar == "contig" else np.moveaxis(image, -1, 0)
    found = read(tmp_path, image, photometric="rgb", planarconfig=planar, **options)
    np.testing.assert_array_equal(found[..., :3], color)


@pytest.mark.parametrize("options", [ALPHA, ASSOCIATED])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_gray_with_alpha_is_one_image(tmp_path, gray, options, planar):
    image = np.stack([gray, gray // 2], axis=-1 if planar == "contig" else 0)
    found = read(tmp_path, image, photometric="minisblack", planarconfig=planar, **options)
    np.testing.assert_array_equal(found[..., 0], gray)


def test_two_samples_without_alpha_are_channels(tmp_path, gray):
    options = {"photometric": "minisblack", "planarconfig": "contig"}
    tifffile.imwrite(tmp_path / "a.tif", np.dstack([gray, gray // 2]), metadata=None, **options)
    first, second = planes_of([tmp_path / "a.tif"])
    np.testing.assert_array_equal([first.read(), second.read()], [gray, gray // 2])


@pytest.mark.parametrize("compression", [None, "lzw"])
def test_ycbcr_becomes_rgb(tmp_path, color, compression):
    ycbcr = np.array(Image.fromarray(color).convert("YCbCr"))
    found = read(tmp_path, ycbcr, photometric="ycbcr", compression=compression)
    assert np.abs(found - color.astype(float)).max() <= 3


def test_ycbcr_of_jpeg_is_converted_only_once(tmp_path, color):
    found = read(tmp_path, color, photometric="ycbcr", compression="jpeg")
    np.testing.assert_array_equal(found, tifffile.imread(tmp_path / "a.tif"))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_changes_nothing(tmp_path, gray, orientation):
    tag = (274, "H", 1, orientation, True)
    np.testing.assert_array_equal(read(tmp_path, gray, extratags=[tag]), gray)


@pytest.mark.parametrize("kind", ["minisblack", "rgb"])
def test_color_model_may_be_missing(tmp_path, gray, color, kind):
    image = gray if kind == "minisblack" else color
    tifffile.imwrite(tmp_path / "a.tif", image, metadata=None, photometric=kind)
    content = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(content.replace(b"\x06\x01\x03\0", b"\x07\x01\x03\0", 1))
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), image)


def test_index_without_color_is_named(tmp_path, gray):
    Image.fromarray(gray).quantize(4).save(tmp_path / "a.tif")
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as file:
        file.pages[0].tags["ColorMap"].overwrite(tuple(range(0, 900, 100)))
    with pytest.raises(UserError, match="its palette has 3 colors"):
        read_image(tmp_path / "a.tif")


def test_fifth_sample_of_colors_is_ignored(tmp_path, color, gray):
    more = {"extrasamples": ["unspecified"] * 2, "planarconfig": "contig"}
    found = read(tmp_path, np.dstack([color, gray, gray]), photometric="rgb", **more)
    np.testing.assert_array_equal(found, color)


@pytest.mark.parametrize(
    "dtype, options, cause",
    [
        ("complex64", {}, "pixels are complex64"),
        ("float32", {"photometric": "miniswhite"}, "not supported for float32"),
        ("uint16", {"photometric": 32844}, "color model LOGL is not supported"),
        (
            "uint16",
            {"photometric": "palette", "colormap": np.zeros((3, 65536), np.uint16)},
            "palette is not supported for uint16",
        ),
    ],
)
def test_what_cellprofiler_cannot_show_is_named(tmp_path, gray, dtype, options, cause):
    with pytest.raises(UserError, match=cause):
        read(tmp_path, gray.astype(dtype), **options)
