import json

import imagecodecs
import numpy as np
import pytest

from micrograph_networks.errors import UserError
from micrograph_networks.files.tables import csv_table
from segment.annotations import dataset
from segment.classes import CLASSES


@pytest.fixture
def data(tmp_path, rng):
    """20 images with masks, one nearly a copy of another, and their table."""
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    images = rng.integers(0, 255, (20, 40, 80, 3)).astype(np.uint8)
    images[7] = np.clip(images[3].astype(int) + 3, 0, 255)
    for number, image in enumerate(images):
        mask = rng.integers(0, 3, (40, 80)).astype(np.uint8)
        imagecodecs.imwrite(tmp_path / f"images/{number:02}.png", image)
        imagecodecs.imwrite(tmp_path / f"masks/{number:02}.png", mask)
    write_table(tmp_path, [f"{number:02}.png" for number in range(20)])
    return tmp_path


def write_table(folder, names):
    with csv_table(folder / "data.csv", ["images", "masks"]) as table:
        table.writerows((f"images/{name}", f"masks/{name}") for name in names)


def test_images_and_masks_are_brought_to_the_working_scale(data):
    samples = dataset.load_samples(data / "data.csv", CLASSES, 64)
    assert [sample.name for sample in samples[:2]] == ["images/00.png", "images/01.png"]
    assert {sample.image.shape for sample in samples} == {(32, 64, 3)}
    assert {sample.mask.shape for sample in samples} == {(32, 64)}
    counts = np.bincount(np.concatenate([sample.mask.ravel() for sample in samples]))
    np.testing.assert_allclose(counts / counts.sum(), [1 / 3] * 3, atol=0.02)


def test_thin_objects_keep_their_area(tmp_path):
    mask = np.zeros((300, 300), np.uint8)
    rows, cols = np.mgrid[:300, :300]
    mask[np.abs(rows - 0.7 * cols - 20) < 2] = 2
    imagecodecs.imwrite(tmp_path / "a.png", mask)
    with csv_table(tmp_path / "data.csv", ["images", "masks"]) as table:
        table.writerow(["a.png", "a.png"])
    (sample,) = dataset.load_samples(tmp_path / "data.csv", CLASSES, 64)
    assert (sample.mask == 2).mean() == pytest.approx((mask == 2).mean(), rel=0.1)


def test_all_faults_are_listed_at_once(data):
    (data / "images/01.png").unlink()
    (data / "images/02.png").write_bytes(b"no image")
    imagecodecs.imwrite(data / "masks/03.png", np.zeros((40, 79), np.uint8))
    imagecodecs.imwrite(data / "masks/04.png", np.full((40, 80), 255, np.uint8))
    colored = np.zeros((40, 80, 3), np.uint8)
    colored[..., 0] = 255
    imagecodecs.imwrite(data / "masks/05.png", colored)
    with pytest.raises(UserError) as raised:
        dataset.load_samples(data / "data.csv", CLASSES, 64)
    lines = str(raised.value).splitlines()
    assert "faults in 5 rows" in lines[0]
    for line, part in zip(
        lines[1:],
        (
            "01.png does not exist",
            "02.png cannot be read",
            "03.png is 80x40 pixels but",
            "04.png holds the value 255",
            "05.png is in color",
        ),
    ):
        assert part in line


def test_masks_saved_as_gray_color_are_read(data):
    mask = np.repeat(np.arange(40, dtype=np.uint8)[:, None] % 3, 80, axis=1)
    imagecodecs.imwrite(data / "masks/00.png", np.repeat(mask[..., None], 3, axis=2))
    pair = dataset.read_table(data / "data.csv")[0]
    np.testing.assert_array_equal(dataset.read_pair(pair, CLASSES)[1], mask)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "no column images: give a CSV with the columns images and masks"),
        ("images,masks\n", "has no rows"),
        ("images,masks\na.png\n", "row 1 lacks"),
        ("images,masks\na.png,b.png\na.png,b.png\n", "row 2 lists a.png again"),
        ("images,masks\na.png,b.png\n./x/../a.png,b.png\n", "row 2 lists ./x/../a.png again"),
    ],
)
def test_a_wrong_table_is_named(tmp_path, text, message):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        dataset.read_table(tmp_path / "a.csv")
    with pytest.raises(UserError, match="does not exist"):
        dataset.read_table(tmp_path / "none.csv")


def test_groups_stay_on_one_side(data):
    samples = dataset.load_samples(data / "data.csv", CLASSES, 64)
    (data / "groups.json").write_text(json.dumps([["01", "11", "elsewhere"], ["11", "12"]]))
    known = dataset.read_groups(data / "groups.json", [s.name for s in samples])
    assert known == [[1, 11], [11, 12]]
    for seed in range(5):
        _, parts = dataset.divide(samples, known, seed)
        assert parts[3] == parts[7]
        assert parts[1] == parts[11] == parts[12]
        assert set(parts) == {"train", "validation", "test"}
    with pytest.raises(UserError, match="too few"):
        dataset.divide(samples[:3], [], 0)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "does not exist: check the path"),
        ("folder", "is not a JSON list of lists"),
        ("{", "is not a JSON list of lists"),
        ('["01", "11"]', "is not a JSON list of lists"),
        ('[["01.png", "11.png"]]', "names none of the images, such as 01: give names without"),
        ("[" * 100_000, "is not a JSON list of lists"),
    ],
)
def test_wrong_groups_are_named(tmp_path, content, problem):
    path = tmp_path / "groups.json"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=f"groups.json {problem}"):
        dataset.read_groups(path, ["images/01.png", "images/11.png"])


def test_groups_that_windows_editors_saved_are_read(tmp_path):
    (tmp_path / "groups.json").write_text('\ufeff[["01"]]', encoding="utf-8")
    assert dataset.read_groups(tmp_path / "groups.json", ["images/01.png"]) == [[0]]


def test_nan_pixels_are_named(tmp_path):
    import tifffile

    tifffile.imwrite(tmp_path / "a.tif", np.full((40, 40), np.nan, np.float32))
    imagecodecs.imwrite(tmp_path / "a.png", np.zeros((40, 40), np.uint8))
    with csv_table(tmp_path / "data.csv", ["images", "masks"]) as table:
        table.writerow(["a.tif", "a.png"])
    with pytest.raises(UserError, match="a.tif holds NaN"):
        dataset.load_samples(tmp_path / "data.csv", CLASSES, 64)
