import dataclasses

import numpy as np
import pytest
from support import BFLOAT16, cell_model, needs_tensorflow

from micrograph_networks.errors import UserError
from micrograph_networks.models.batching import BatchRunner
from segment import Segmentation, SegmentationOptions, segment_image
from segment.classes import CELLS, CLASSES, NOTHING, PALETTE, PixelClass, pixel_classes
from segment.inference.model import TILE_SIZES, SegmentationModel
from segment.inference.segmentation import segment_probabilities
from segment.inference.tables import OBJECT_COLUMNS, object_rows

CERTAIN = 0.9


def scene():
    """Two touching cells in red and a spirochaete in green, uint8 (96, 128, 3)."""
    rows, cols = np.ogrid[:96, :128]
    image = np.zeros((96, 128, 3), np.uint8)
    for x in (30, 59):
        image[(rows - 40) ** 2 + (cols - x) ** 2 <= 225, 0] = 255
    image[80:83, 20:100, 1] = 255
    return image


def color_network(order=(0, 1, 2)):
    """A network that takes red for cells and green for spirochaetes."""

    def network(images):
        red, green = images[..., 2] > 0, images[..., 1] > 0
        found = np.stack([~red & ~green, red & ~green, green], axis=-1)
        shares = np.where(found, CERTAIN, (1 - CERTAIN) / 2).astype(np.float32)
        return shares[..., list(order)]

    return network


SHIPPED = pixel_classes(CLASSES, {}, {})


def color_model(classes=SHIPPED, order=(0, 1, 2)):
    tiles = BatchRunner("tiles of {0}x{0} pixels", TILE_SIZES, [color_network(order)])
    return SegmentationModel("colors", None, "numpy", tiles, classes, 128, 30.0)


def segment(image, mask=None, options=SegmentationOptions(), model=color_model()):
    return segment_image(image, model, mask, options)


def labels(found, index=1):
    return found.of_class(CLASSES[index]).labels


def test_mirrored_views_are_averaged_where_they_are_wanted():
    seen = []
    known = color_network()

    def network(images):
        seen.append(images)
        return known(images)

    tiles = BatchRunner("tiles of {0}x{0} pixels", TILE_SIZES, [network])
    model = dataclasses.replace(color_model(), tiles=tiles)
    plain = segment(scene(), model=model)
    found = segment(scene(), options=SegmentationOptions(mirrored_views=True), model=model)
    assert len(seen) == 1 + 4
    np.testing.assert_array_equal(seen[4], np.flip(seen[0], (1, 2)))
    np.testing.assert_array_equal(found.classes, plain.classes)


def test_cells_and_spirochaetes_are_found():
    found = segment(scene())
    assert isinstance(found, Segmentation)
    assert [labels(found).max(), labels(found, 2).max()] == [2, 1]
    assert [labels(found)[40, 30], labels(found)[40, 59]] == [1, 2]
    expected = np.select([scene()[..., 0] > 0, scene()[..., 1] > 0], [1, 2])
    np.testing.assert_array_equal(found.classes, expected)
    assert found.classes.dtype == np.uint8
    assert found.probabilities.dtype == np.float32
    np.testing.assert_allclose(found.probabilities.sum(axis=2), 1, atol=1e-6)
    cells, spirochaetes = found.by_class
    np.testing.assert_allclose(cells.means, [CERTAIN] * 2, rtol=1e-5)
    np.testing.assert_allclose(spirochaetes.means, [CERTAIN], rtol=1e-5)
    assert cells.lengths is None
    np.testing.assert_allclose(spirochaetes.lengths, [80], rtol=0.03)
    np.testing.assert_allclose(spirochaetes.widths, [3], rtol=0.03)


def test_rows_of_the_table():
    rows = list(object_rows("a.png", segment(scene()), color_model()))
    assert [row[:3] for row in rows] == [
        ["a.png", "blood cell", 1],
        ["a.png", "blood cell", 2],
        ["a.png", "spirochaete", 1],
    ]
    row = dict(zip(OBJECT_COLUMNS, rows[2]))
    assert (row["y"], row["x"], row["area"]) == ("81", "59.5", 240)
    assert float(row["length"]) * float(row["mean_width"]) == pytest.approx(240, rel=1e-4)
    assert [value for value in rows[0] if value == ""] == ["", ""]
    assert float(row["mean_probability"]) == pytest.approx(CERTAIN, abs=1e-5)


@pytest.mark.parametrize("threshold, cells", [(0.5, 2), (0.9, 2), (0.96, 0)])
def test_the_threshold_is_against_background(threshold, cells):
    # 0.9 for cells and 0.05 for background: 0.947 of what they have together.
    found = segment(scene(), options=SegmentationOptions(threshold=threshold))
    assert labels(found).max() == cells


@pytest.mark.parametrize("least, counts", [(0.85, [2, 1]), (0.91, [0, 0])])
def test_objects_below_the_least_mean_probability_are_left_out(least, counts):
    found = segment(scene(), options=SegmentationOptions(minimum_probability=least))
    assert [one.labels.max() for one in found.by_class] == counts
    assert [one.all_labels.max() for one in found.by_class] == counts


def test_a_shortest_length_is_in_pixels_of_the_image():
    for length, count in ((70, 1), (90, 0)):
        found = segment(scene(), options=SegmentationOptions(minimum_length=length))
        assert labels(found, 2).max() == count
    # 20 pixels where the network works, which sees this image at half the size.
    image = np.kron(scene(), np.ones((2, 2, 1), np.uint8))
    image[:, 75:] = 0
    assert labels(segment(image), 2).max() == 0
    assert labels(segment(image, options=SegmentationOptions(minimum_length=20)), 2).max() == 1


def test_at_a_half_the_classes_are_the_most_probable_ones(rng):
    probabilities = rng.dirichlet([1, 1, 1], (60, 70)).astype(np.float32)
    options = SegmentationOptions(
        fill_holes=False, minimum_area=0, separate_touching=False, minimum_probability=0.0
    )
    valid = np.ones((60, 70), bool)
    classes = segment_probabilities(probabilities, valid, SHIPPED, 1.0, options).classes
    expected = probabilities.argmax(axis=2)
    np.testing.assert_array_equal(classes == 1, expected == 1)
    assert not np.any((classes == 2) & (expected != 2))


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (31, 33), (200, 77)])
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.float64])
def test_an_image_of_one_color_holds_nothing(shape, dtype):
    found = segment(np.zeros(shape, dtype))
    assert found.classes.shape == labels(found).shape == shape
    assert not found.classes.any()
    assert [len(one.means) for one in found.by_class] == [0, 0]
    assert len(found.by_class[1].lengths) == len(found.by_class[1].widths) == 0
    assert list(object_rows("a", found, color_model())) == []
    assert labels(segment(np.ones(shape, dtype))).shape == shape


def test_results_agree_with_each_other(rng):
    image = rng.integers(0, 2, (90, 110, 3), dtype=np.uint8) * 255
    image[rng.random((90, 110)) < 0.7] = 0
    found = segment(image, options=SegmentationOptions(minimum_area=5))
    for index, one in enumerate(found.by_class, 1):
        np.testing.assert_array_equal(found.classes == index, one.labels > 0)
        assert np.unique(one.labels).tolist() == list(range(len(one.means) + 1))


def test_nothing_is_found_outside_of_the_mask_and_what_is_there_has_no_influence(rng):
    mask = np.zeros((96, 128), bool)
    mask[10:70, :45] = True
    found = segment(scene(), mask)
    assert not found.classes[~mask].any()
    assert labels(found)[40, 30] == 1
    np.testing.assert_array_equal(found.probabilities[~mask], np.eye(3)[[0] * np.sum(~mask)])
    noise = rng.integers(0, 255, scene().shape, dtype=np.uint8)
    other = segment(np.where(mask[..., None], scene(), noise), mask)
    np.testing.assert_array_equal(other.probabilities, found.probabilities)
    assert not segment(scene(), np.zeros((96, 128), bool)).classes.any()


def test_nan_counts_as_outside_of_the_mask():
    image = scene() / 255
    image[38:43, 28:33] = np.nan
    found = segment(image)
    assert not found.classes[38:43, 28:33].any()
    assert labels(found).max() == 2
    assert not segment(np.full((40, 40), np.nan)).classes.any()


def test_cells_at_the_border_of_image_and_mask_can_be_left_out():
    options = SegmentationOptions(discard_border=True)
    image = scene()
    assert labels(segment(image, options=options)).max() == 2
    assert labels(segment(image[:, 20:], options=options)).max() == 1
    mask = np.ones((96, 128), bool)
    mask[:, :20] = False
    found = segment(image, mask, options)
    assert labels(found).max() == 1
    assert found.of_class("blood cell").all_labels.max() == 2
    np.testing.assert_array_equal(found.classes == 1, labels(found) > 0)


def test_classes_are_those_of_the_model():
    green = PixelClass("fiber", CELLS, PALETTE[2])
    model = color_model((SHIPPED[0], PixelClass("haze", NOTHING, PALETTE[1]), green))
    found = segment(scene(), model=model)
    (fibers,) = found.by_class
    assert fibers.pixel_class == green
    assert fibers.lengths is None
    np.testing.assert_array_equal(found.classes, 2 * (scene()[..., 1] > 0))
    with pytest.raises(UserError, match="finds no haze: choose one of fiber"):
        found.of_class("haze")


def test_a_filled_hole_leaves_the_objects_of_other_classes_to_them():
    image = np.zeros((96, 128, 3), np.uint8)
    rows, cols = np.ogrid[:96, :128]
    radius = np.hypot(rows - 48, cols - 64)
    image[(radius <= 40) & (radius >= 30), 0] = 255
    image[47:50, 44:84, 1] = 255
    # The mean probability is that of the whole cell, its dark inside included.
    found = segment(image, options=SegmentationOptions(minimum_probability=0.4))
    cells, spirochaetes = (labels(found, index) > 0 for index in (1, 2))
    np.testing.assert_array_equal(spirochaetes, image[..., 1] > 0)
    np.testing.assert_array_equal(cells, (radius <= 40) & ~spirochaetes)


@needs_tensorflow
def test_the_random_network_runs_from_a_file(random_weights, rng):
    image = rng.integers(0, 255, (50, 70), dtype=np.uint8)
    found = segment(image, model=cell_model(random_weights))
    assert found.probabilities.shape == (50, 70, 3)
    np.testing.assert_allclose(found.probabilities.sum(axis=2), 1, atol=1e-5)
    rounded = segment(image, model=cell_model(random_weights, BFLOAT16))
    difference = np.abs(rounded.probabilities - found.probabilities).max()
    assert 0 < difference < 0.05


def test_bad_input_is_said_in_one_sentence(tmp_path):
    with pytest.raises(UserError, match="empty, or neither gray nor color"):
        segment(np.zeros((3, 50, 50, 3)))
    with pytest.raises(UserError, match="empty, or neither gray nor color"):
        segment(np.zeros((0, 50)))
    with pytest.raises(UserError, match="mask is of shape"):
        segment(scene(), np.ones((5, 5), bool))
    with pytest.raises(UserError, match="int64 has no known range"):
        segment(scene().astype(np.int64))


@pytest.mark.parametrize(
    "wrong",
    [
        *({"threshold": 0}, {"threshold": 1}, {"threshold": float("nan")}),
        *({"cell_diameter": 0.5}, {"cell_diameter": float("nan")}, {"minimum_area": -1}),
    ],
)
def test_options_out_of_range_are_refused(wrong):
    with pytest.raises(UserError):
        SegmentationOptions(**wrong)
