import csv
from types import SimpleNamespace

import darkfield_robustness
import numpy as np
import pytest
from darkfield_robustness import CHANGES, COLUMNS, Scene, read_scene, write_table
from tifffile import imwrite

from micrograph_networks.errors import UserError
from micrograph_networks.images.image_files import write_png
from segment.annotations.dataset import Pair
from segment.classes import CLASSES, SPIROCHAETE, pixel_classes
from segment.simulation.scenes import darkfield_scene

AROUND = ("black margins", "white margins", "round field of view on black")


@pytest.fixture
def scene(rng):
    drawn = darkfield_scene(rng, (120, 160))
    drawn.classes[60:63, 20:140] = SPIROCHAETE
    return Scene(drawn.image, drawn.classes, np.ones(drawn.classes.shape, dtype=bool))


@pytest.mark.parametrize("name", [name for name in CHANGES if name != "none"])
def test_a_change_alters_the_image_and_keeps_what_is_known(scene, name):
    before = scene.image.copy()
    changed = CHANGES[name](scene)
    np.testing.assert_array_equal(scene.image, before)
    assert changed.image.shape != before.shape or (changed.image != before).any()
    assert changed.image.shape[:2] == changed.truth.shape == changed.scored.shape
    if name in AROUND:
        assert not changed.scored.all()
        assert len(np.unique(changed.image[~changed.scored])) == 1
        kept = changed.image[changed.scored], changed.truth[changed.scored]
        inside = changed.scored if name.startswith("round") else scene.scored
        np.testing.assert_array_equal(kept[0], scene.image[inside])
        np.testing.assert_array_equal(kept[1], scene.truth[inside])
    else:
        assert changed.scored.all()
        burnt = changed.truth != scene.truth
        assert not burnt.any() or (changed.image[burnt] > 127).all()


def test_what_is_a_sixteenth_as_bright_is_so_in_every_type(scene):
    expected = scene.image / 255 / 16
    bits, floats = CHANGES["12 bits in 16"](scene), CHANGES["a sixteenth as bright"](scene)
    assert bits.image.dtype == np.uint16
    np.testing.assert_allclose(bits.image / 65535, expected, atol=3e-5)
    np.testing.assert_allclose(floats.image, expected, atol=1e-6)


def test_the_table_scores_the_picture_and_counts_everywhere(tmp_path, scene, monkeypatch):
    """A model that knows the truth, but calls whatever is black or white a spirochaete."""
    write_png(tmp_path / "image.png", np.clip(scene.image, 1, 254))
    write_png(tmp_path / "mask.png", scene.truth)
    pair = Pair("image.png", tmp_path / "image.png", tmp_path / "mask.png")
    classes = pixel_classes(CLASSES, {}, {})

    def found(image, model):
        truth = scene.truth
        if image.shape[:2] == truth.shape:
            return SimpleNamespace(classes=truth, by_class=objects(2))
        indices = np.full(image.shape[:2], SPIROCHAETE, dtype=np.uint8)
        top, left = ((a - b) // 2 for a, b in zip(image.shape, truth.shape))
        indices[top : top + truth.shape[0], left : left + truth.shape[1]] = truth
        return SimpleNamespace(classes=indices, by_class=objects(3))

    def objects(spirochaetes):
        counts = 5, spirochaetes
        return [
            SimpleNamespace(pixel_class=one, means=np.ones(count))
            for one, count in zip(classes[1:], counts)
        ]

    monkeypatch.setattr(darkfield_robustness, "segment_image", found)
    model = SimpleNamespace(name="all-knowing", classes=classes)
    write_table(tmp_path / "table.csv", [pair, pair], [model])
    with open(tmp_path / "table.csv", newline="", encoding="utf-8") as file:
        rows = {row["change"]: row for row in csv.DictReader(file)}
    assert list(rows) == list(CHANGES)
    assert list(rows["none"]) == list(COLUMNS)
    assert list(rows["none"].values()) == ["none", "all-knowing", "2", "1", "1", "1", "4", "10"]
    margins = rows["black margins"]
    assert (margins["mean_iou"], margins["found_spirochaete"]) == ("1", "6")
    with pytest.raises(UserError, match="other classes"):
        write_table(tmp_path / "t.csv", [pair], [SimpleNamespace(name="a", classes=classes[:2])])


def test_images_of_more_than_8_bits_are_refused(tmp_path, scene):
    imwrite(tmp_path / "image.tif", scene.image.astype(np.uint16), photometric="rgb")
    write_png(tmp_path / "mask.png", scene.truth)
    with pytest.raises(UserError, match=r"image.tif is of uint16: convert it to 8 bits"):
        read_scene(Pair("image.tif", tmp_path / "image.tif", tmp_path / "mask.png"))
