import numpy as np
import pytest
from colored_scenes import CERTAIN, SHIPPED, color_model, color_network, scene

from micrograph_networks.errors import UserError
from segment import Segmentation, SegmentationOptions, segment_image
from segment.classes import CELLS, CLASSES, NOTHING, PALETTE, PixelClass
from segment.inference.segmentation import segment_probabilities
from segment.inference.tables import OBJECT_COLUMNS, image_columns, image_row, object_rows


def segment(image, mask=None, options=SegmentationOptions(), model=color_model()):
    return segment_image(image, model, mask, options)


def labels(found, index=1):
    return found.of_class(CLASSES[index]).labels


def test_mirrored_views_are_averaged_if_asked():
    seen = []

    def network(images):
        seen.append(images)
        return color_network(images)

    plain = segment(scene())
    options = SegmentationOptions(mirrored_views=True)
    found = segment(scene(), options=options, model=color_model(network=network))
    assert len(seen) == 4
    np.testing.assert_array_equal(seen[3], np.flip(seen[0], (1, 2)))
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
    assert (row["center_y_px"], row["center_x_px"], row["area_px"]) == ("81", "59.5", 240)
    assert float(row["length_px"]) * float(row["mean_width_px"]) == pytest.approx(240, rel=1e-4)
    assert [value for value in rows[0] if value == ""] == ["", "", ""]
    assert float(row["mean_probability"]) == pytest.approx(CERTAIN, abs=1e-5)


def test_images_without_objects_have_a_row():
    mask = np.ones((96, 128), bool)
    mask[:, 100:] = False
    for image, counts in ((scene(), [2, 1]), (np.zeros((96, 128), np.uint8), [0, 0])):
        found = segment(image, mask)
        row = dict(zip(image_columns(SHIPPED), image_row("a.png", found, color_model())))
        assert [row["image"], row["blood_cells"], row["spirochaetes"]] == ["a.png", *counts]
        share = (found.classes == 1).sum() / mask.sum()
        assert float(row["blood_cell_area_fraction"]) == pytest.approx(share, abs=1e-6)
        expected = found.uncertainty[mask].mean()
        assert float(row["uncertainty"]) == pytest.approx(expected, rel=1e-4)
        assert row["presence_probability"] == ""


def test_uncertainty_is_the_relative_entropy(rng):
    found = segment(scene())
    entropy = -CERTAIN * np.log(CERTAIN) - (1 - CERTAIN) * np.log((1 - CERTAIN) / 2)
    assert found.uncertainty.shape == (96, 128)
    assert found.uncertainty.dtype == np.float32
    np.testing.assert_allclose(found.uncertainty, entropy / np.log(3), rtol=1e-5)
    mask = rng.random((96, 128)) < 0.5
    found = segment(scene(), mask)
    np.testing.assert_array_equal(found.uncertainty > 0, mask)
    equal = np.full((600, 3, 4), 0.25, np.float32)
    np.testing.assert_allclose(Segmentation(equal, (), equal[..., 0] > 0).uncertainty, 1, rtol=1e-6)


@pytest.mark.parametrize(
    "options, counts",
    [
        ({"threshold": 0.9}, [2, 1]),
        # 0.9 for cells and 0.05 for background: 0.947 against background.
        ({"threshold": 0.96}, [0, 0]),
        ({"minimum_probability": 0.85}, [2, 1]),
        ({"minimum_probability": 0.91}, [0, 0]),
    ],
)
def test_improbable_pixels_and_objects_are_left_out(options, counts):
    found = segment(scene(), options=SegmentationOptions(**options))
    assert [one.labels.max() for one in found.by_class] == counts
    assert [one.all_labels.max() for one in found.by_class] == counts


def test_the_minimum_length_is_in_pixels_of_the_image():
    for length, count in ((70, 1), (90, 0)):
        found = segment(scene(), options=SegmentationOptions(minimum_length=length))
        assert labels(found, 2).max() == count
    # The default is 20 pixels at the working scale, here half the scale of the image.
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
    found = segment_probabilities(probabilities, valid, SHIPPED, 1.0, options)
    classes = found.classes
    expected = probabilities.argmax(axis=2)
    np.testing.assert_array_equal(classes == 1, expected == 1)
    assert not np.any((classes == 2) & (expected != 2))
    for index, one in enumerate(found.by_class, 1):
        np.testing.assert_array_equal(classes == index, one.labels > 0)
        assert np.unique(one.labels).tolist() == list(range(len(one.means) + 1))


@pytest.mark.parametrize("shape, dtype", [((1, 1), bool), ((1, 50), np.uint16), ((40, 33), float)])
def test_an_image_of_one_color_has_no_objects(shape, dtype):
    found = segment(np.zeros(shape, dtype))
    assert found.classes.shape == labels(found).shape == shape
    assert not found.classes.any()
    assert [len(one.means) for one in found.by_class] == [0, 0]
    assert len(found.by_class[1].lengths) == len(found.by_class[1].widths) == 0
    assert list(object_rows("a", found, color_model())) == []


def test_pixels_outside_of_the_mask_hold_no_objects_and_have_no_influence(rng):
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
    with pytest.raises(UserError, match="mask is of shape"):
        segment(scene(), np.ones((5, 5), bool))


def test_margins_count_as_outside_of_the_mask(rng):
    image = np.maximum(scene(), rng.integers(20, 30, scene().shape, dtype=np.uint8))
    image[:, :25] = 0
    found = segment(image)
    assert not found.classes[:, :25].any()
    assert not found.uncertainty[:, :25].any()
    cells = found.of_class("blood cell")
    assert cells.labels.max() == 2
    options = SegmentationOptions(discard_border=True)
    found = segment(image, options=options)
    assert labels(found).max() == 1
    assert labels(found)[40, 59] == 1


def test_nan_counts_as_outside_of_the_mask():
    image = scene() / 255
    image[38:43, 28:33] = np.nan
    found = segment(image)
    assert not found.classes[38:43, 28:33].any()
    assert labels(found).max() == 2
    assert not segment(np.full((40, 40), np.nan)).classes.any()


@pytest.mark.parametrize("dtype, offset", [(np.float64, 1e9), (np.uint64, 2**63)])
def test_a_large_camera_offset_does_not_matter(dtype, offset):
    expected = labels(segment(scene()))
    assert expected.max() == 2
    image = scene().astype(dtype) + dtype(offset)
    np.testing.assert_array_equal(labels(segment(image)), expected)


def test_big_endian_and_masked_arrays_are_segmented_like_their_pixels_and_mask():
    image = scene()
    mask = np.ones(image.shape[:2], bool)
    mask[:, :45] = False
    expected = labels(segment(image, mask))
    assert expected.max() == 1
    masked = np.ma.masked_array(image, np.dstack([~mask] * 3))
    np.testing.assert_array_equal(labels(segment(masked)), expected)
    wide = image.astype(np.uint16) * 257
    for swapped in (wide.astype(">u2"), (image / 255).astype(">f8")):
        np.testing.assert_array_equal(labels(segment(swapped, mask)), expected)


def test_nan_of_the_network_is_one_sentence():
    def broken(images):
        return np.full((*images.shape[:3], 3), np.nan, np.float32)

    with pytest.raises(UserError, match="^colors returned NaN: check the weights file"):
        segment(scene(), model=color_model(network=broken))


def test_cells_at_the_border_of_image_and_mask_are_discarded_if_asked():
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


def test_an_object_in_a_filled_hole_keeps_its_class():
    image = np.zeros((96, 128, 3), np.uint8)
    rows, cols = np.ogrid[:96, :128]
    radius = np.hypot(rows - 48, cols - 64)
    image[(radius <= 40) & (radius >= 30), 0] = 255
    image[47:50, 44:84, 1] = 255
    # The mean probability of the cell includes its dark inside.
    found = segment(image, options=SegmentationOptions(minimum_probability=0.4))
    cells, spirochaetes = (labels(found, index) > 0 for index in (1, 2))
    np.testing.assert_array_equal(spirochaetes, image[..., 1] > 0)
    np.testing.assert_array_equal(cells, (radius <= 40) & ~spirochaetes)


def test_a_cell_that_a_filament_crosses_is_one_in_two_parts():
    image = scene()
    image[39:42, :110] = 0, 255, 0
    found = segment(image)
    assert [one.labels.max() for one in found.by_class] == [2, 2]
    np.testing.assert_array_equal(labels(found, 2) > 0, image[..., 1] > 0)
    assert [labels(found)[row, 30] for row in (30, 40, 50)] == [1, 0, 1]
    assert [labels(found)[row, 59] for row in (30, 40, 50)] == [2, 0, 2]
