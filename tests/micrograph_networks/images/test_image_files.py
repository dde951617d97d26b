import pickle
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from micrograph_networks.errors import UserError
from micrograph_networks.images.gray import to_gray
from micrograph_networks.images.image_files import (
    has_color,
    list_images,
    read_gray,
    read_image,
    write_png,
    write_tiff,
)


def png_chunk(name, content):
    body = name + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


HUGE_PNG = (
    b"\x89PNG\r\n\x1a\n"
    + png_chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 30_000, 8, 0, 0, 0, 0))
    + png_chunk(b"IDAT", zlib.compress(bytes(1000)))
)
"""Small PNG that claims to be large."""


@pytest.mark.parametrize("compression", [None, "lzw", "zlib"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", ">u2"])
def test_tiff_is_read_with_its_bit_depth(tmp_path, rng, compression, dtype):
    image = rng.integers(0, 250, (40, 50)).astype(dtype)
    byteorder = ">" if dtype.startswith(">") else None
    tifffile.imwrite(tmp_path / "a.tif", image, compression=compression, byteorder=byteorder)
    read = read_image(tmp_path / "a.tif")
    assert read.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(read, image)


@pytest.mark.parametrize("shape", [(30, 40), (30, 40, 3), (30, 40, 4)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_png_is_read_with_its_bit_depth(tmp_path, rng, shape, dtype):
    image = rng.integers(0, np.iinfo(dtype).max, shape).astype(dtype)
    imagecodecs.imwrite(tmp_path / "a.png", image)
    read = read_image(tmp_path / "a.png")
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, image)


@pytest.mark.parametrize("name", ["a.tif", "a.png"])
@pytest.mark.parametrize("keep", [0, 0.02, 0.5, 0.97])
def test_truncated_file_is_named(tmp_path, rng, name, keep):
    path = tmp_path / name
    image = rng.integers(0, 65535, (60, 60), dtype=np.uint16)
    write_tiff(path, image) if name == "a.tif" else imagecodecs.imwrite(path, image)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(UserError, match=rf"{name} cannot be read as an image"):
        read_image(path)


def test_missing_files_and_images_are_named(tmp_path):
    with pytest.raises(UserError, match=r"nothing\.png does not exist"):
        read_image(tmp_path / "nothing.png")
    with pytest.raises(UserError, match="No PNG or TIFF"):
        list_images([tmp_path])
    with pytest.raises(UserError, match="none is not a folder"):
        list_images([tmp_path / "none"])


def test_color_is_read_as_luma(tmp_path, rng):
    color = rng.integers(0, 255, (5, 6, 4), dtype=np.uint8)
    write_tiff(tmp_path / "a.tif", color)
    expected = 0.299 * color[..., 0] + 0.587 * color[..., 1] + 0.114 * color[..., 2]
    np.testing.assert_allclose(read_gray(tmp_path / "a.tif"), expected, rtol=1e-5)


@pytest.mark.parametrize("shape, kind", [((4, 9, 9), "minisblack"), ((4, 9, 9, 3), "rgb")])
def test_stack_is_not_one_image(tmp_path, shape, kind):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros(shape, np.uint8), photometric=kind)
    with pytest.raises(UserError, match=r"a\.tif contains 4 images: save each plane"):
        read_gray(tmp_path / "a.tif")


@pytest.mark.parametrize("suffix", ["lsm", "stk", "svs", "ndpi", "qptiff", "flex", "btf", "png"])
def test_tiff_is_read_whatever_its_suffix(tmp_path, rng, suffix):
    image = rng.integers(0, 65535, (30, 40), dtype=np.uint16)
    path = tmp_path / f"a.{suffix}"
    tifffile.imwrite(path, image, bigtiff=suffix == "btf")
    np.testing.assert_array_equal(read_image(path), image)
    assert list_images([tmp_path]) == [path]


@pytest.mark.parametrize("format", ["PNG", "JPEG", "BMP"])
def test_other_formats_are_read_whatever_their_suffix(tmp_path, format):
    image = np.full((30, 40), 7, np.uint8)
    Image.fromarray(image).save(tmp_path / "a.tif", format)
    np.testing.assert_array_equal(to_gray(read_image(tmp_path / "a.tif")), image)


def test_inks_of_jpeg_are_inverted_as_by_cellprofiler(tmp_path):
    inks = Image.new("CMYK", (40, 30), (10, 20, 30, 40))
    inks.save(tmp_path / "a.jpg", quality=100)
    stored = imagecodecs.imread(tmp_path / "a.jpg")
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg"), 255 - stored[..., :3])


@pytest.mark.parametrize(
    "content, cause",
    [
        (HUGE_PNG, "claims 20000x30000 pixels in 62 bytes"),
        (pickle.dumps(np.zeros(9)), "its format is unknown"),
        (b"", "its format is unknown"),
    ],
    ids=["huge", "pickle", "empty"],
)
def test_nothing_is_decoded_that_cannot_be_an_image(tmp_path, content, cause):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(UserError, match=rf"a\.png.*{cause}"):
        read_image(tmp_path / "a.png")


def test_hidden_files_thumbnails_and_folders_are_not_listed(tmp_path):
    image = np.zeros((9, 9), np.uint8)
    for name in ("a.tif", "._a.tif", "a_w1_thumb9E2B.tif", "b_Thumb.tif"):
        write_tiff(tmp_path / name, image)
    for name in (".DS_Store", "Thumbs.db", "notes.txt"):
        (tmp_path / name).write_bytes(b"\0\0\0\1Bud1")
    (tmp_path / "damaged.tif").write_bytes(b"")
    (tmp_path / "folder.tif").mkdir()
    assert [path.name for path in list_images([tmp_path])] == ["a.tif", "damaged.tif"]
    np.testing.assert_array_equal(read_image(tmp_path / "._a.tif"), image)


def test_pictures_are_written_as_8_bit_png(tmp_path):
    write_png(tmp_path / "a.png", np.full((4, 5, 3), [0, 1, 0.5]))
    read = read_image(tmp_path / "a.png")
    assert read.dtype == np.uint8
    assert read[0, 0].tolist() == [0, 255, 128]
    write_png(tmp_path / "a.png", read[..., 2])
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), read[..., 2])


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg"])
def test_headers_tell_colors(tmp_path, suffix):
    for name, shape in (("gray", (8, 9)), ("color", (8, 9, 3))):
        path = tmp_path / f"{name}.{suffix}"
        Image.fromarray(np.zeros(shape, np.uint8)).save(path)
        assert has_color(path) == (name == "color")
    path.write_bytes(path.read_bytes()[:12])
    assert not has_color(path)
    assert not has_color(tmp_path / "none.png")
