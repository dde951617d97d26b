import imagecodecs
import numpy as np
import pytest
import tifffile

from micrograph_networks.errors import UserError
from micrograph_networks.images.image_files import (
    list_images,
    read_gray,
    read_image,
    write_png,
    write_tiff,
)


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


@pytest.mark.parametrize("shape", [(4, 9, 9), (2, 3, 4, 3)])
def test_stack_is_not_gray(tmp_path, shape):
    write_tiff(tmp_path / "a.tif", np.zeros(shape, np.uint8))
    with pytest.raises(UserError, match=r"a\.tif: An image of shape .*planes of a stack"):
        read_gray(tmp_path / "a.tif")


def test_pictures_are_written_as_8_bit_png(tmp_path):
    write_png(tmp_path / "a.png", np.full((4, 5, 3), [0, 1, 0.5]))
    read = read_image(tmp_path / "a.png")
    assert read.dtype == np.uint8
    assert read[0, 0].tolist() == [0, 255, 128]
    write_png(tmp_path / "a.png", read[..., 2])
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), read[..., 2])
