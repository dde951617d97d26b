import errno
import os
from pathlib import Path

import numpy as np
import pytest
import tifffile

from micrograph_networks.commandline.images import find_masks, input_images, read_mask
from micrograph_networks.errors import UserError
from micrograph_networks.files.ownership import IMAGE, writing_as
from micrograph_networks.images.image_files import write_png, write_tiff

PIXELS = np.eye(5, dtype=np.uint8)


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Function that writes images into the working folder."""
    monkeypatch.chdir(tmp_path)

    def write_all(*names):
        for name in names:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            write_png(Path(name), PIXELS)

    return write_all


def stems(*given, **options):
    return [image.stem for image in input_images([Path(name) for name in given], **options)]


def test_folders_are_searched_with_their_subfolders(write, tmp_path):
    write("plate/a.png", "plate/w1/a.png", "plate/w2/deep/b.png", "plate/.hidden/c.png", "d.png")
    write("plate/w1/._a.png", "plate/w1/a_thumb.png")
    (tmp_path / "plate" / "w2" / "loop").symlink_to(tmp_path / "plate")
    (tmp_path / "plate" / "w3").symlink_to(tmp_path / "plate" / "w1")
    assert stems("plate", "d.png") == ["a", "w1/a", "w2/deep/b", "w3/a", "d"]


def test_folder_is_the_one_that_the_user_gave(write, tmp_path):
    write("stored/a.png")
    (tmp_path / "link").symlink_to("stored")
    (image,) = input_images([Path("link/../link/a.png")])
    assert image.folder == str(tmp_path / "link")


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (["1/x/a.png", "2/x/b.png"], ["a", "b"]),
        (["1/x/a.png", "2/x/a.png"], ["1/x/a", "2/x/a"]),
        (["1", "2"], ["1/x/a", "1/x/c", "2/x/a", "2/x/b"]),
        (["2", "2/x/../x/b.png"], "2/x/b.png and 2/x/../x/b.png would write the same files"),
        (["1/x/a.png", "1/x/a.png"], "1/x/a.png and 1/x/a.png would write the same files"),
        (["1/x/c.png", "1/x/C.png"], "1/x/c.png and 1/x/C.png would write the same files"),
    ],
)
def test_images_of_equal_names_have_results_of_different_names(write, given, found):
    write("1/x/a.png", "1/x/c.png", "2/x/a.png", "2/x/b.png")
    if isinstance(found, list):
        assert stems(*given) == found
    else:
        with pytest.raises(UserError, match=found):
            stems(*given)


def test_results_of_these_programs_are_not_images(write, capsys):
    write("a.png")
    with writing_as("segment-darkfield predict"):
        write("a_overlay.png", "deep/b.png")
    with writing_as("focusqual degrade"):
        write_tiff(Path("a_level3.tif"), PIXELS, IMAGE)
        assert stems(".", output=Path()) == ["a"]
    assert stems(".", output=Path()) == ["a", "a_level3"]
    capsys.readouterr()
    assert stems("a.png", "a_overlay.png") == ["a"]
    assert "Skipped 1 file that these programs wrote." in capsys.readouterr().out
    assert stems("a_overlay.png", takes_results=True) == ["a_overlay"]
    with pytest.raises(UserError, match="a_overlay.png was written by these programs"):
        stems("a_overlay.png")


@pytest.mark.parametrize("given", ["missing", "empty"])
def test_wrong_paths_are_named(write, tmp_path, given):
    (tmp_path / "empty" / "below").mkdir(parents=True)
    with pytest.raises(UserError, match=f"missing does not exist|image is in {given} or its sub"):
        input_images([Path(given)])


def test_folders_that_cannot_be_searched_are_named(write, monkeypatch):
    def refuse(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    write("plate/a.png")
    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(UserError, match="plate cannot be searched .Permission denied.: check its"):
        stems("plate")


def test_folder_of_masks_is_not_searched_for_images(write):
    write("plate/a.png", "plate/masks/a.png")
    assert stems("plate", mask=Path("plate/masks")) == ["a"]
    assert stems("plate", mask=Path("plate")) == ["a", "masks/a"]


def test_masks_have_the_names_of_images(write):
    write("plate/1/a.png", "plate/2/a.png", "plate/b.png", "plate/c.png")
    images = input_images([Path("plate")])
    write("masks/2/a.png", "masks/a.png", "masks/b.png", "masks/other.png")
    masks = find_masks(Path("masks"), images)
    # masks/a.png could be of either image.
    assert masks == {"2/a": Path("masks/2/a.png"), "b": Path("masks/b.png")}
    mask = read_mask(masks, images[-1] if images[-1].stem == "b" else images[2])
    np.testing.assert_array_equal(mask, PIXELS > 0)
    with pytest.raises(UserError, match="It has no mask"):
        read_mask(masks, images[-1])
    assert read_mask(find_masks(None, images), images[0]) is None


def test_nan_is_outside_of_a_mask(write):
    write("plate/a.png")
    Path("masks").mkdir()
    tifffile.imwrite("masks/a.tif", np.array([[np.nan, 0, 0.5]], np.float32))
    images = input_images([Path("plate")])
    mask = read_mask(find_masks(Path("masks"), images), images[0])
    assert mask.tolist() == [[False, False, True]]


def test_planes_of_a_stack_share_a_mask_or_have_their_own(write):
    tifffile.imwrite("s.tif", np.stack([PIXELS] * 3), photometric="minisblack")
    images = input_images([Path("s.tif")])
    write("masks/s.png", "masks/s_page1.png")
    masks = find_masks(Path("masks"), images)
    assert [path.stem for path in masks.values()] == ["s", "s_page1", "s"]


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ([], "is not a folder of masks"),
        (["masks/a.png", "masks/a.PNG"], "are masks of the same image: remove one"),
    ],
)
def test_unusable_masks_are_named(write, names, problem):
    write("a.png", *names)
    with pytest.raises(UserError, match=problem):
        find_masks(Path("masks"), input_images([Path("a.png")]))
