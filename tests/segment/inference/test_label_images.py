import numpy as np
from scipy import ndimage

from segment.inference import label_images


def test_objects_at_the_border_are_discarded_with_all_their_parts():
    labels = np.zeros((20, 20), np.int32)
    labels[:4, 2:6] = labels[8:12, 2:6] = 1
    labels[8:12, 10:14] = 2
    labels[13:16, 3:6] = 3
    given = labels.copy()
    valid = np.ones((20, 20), bool)
    kept = label_images.discard_border(labels, valid)
    np.testing.assert_array_equal(kept, np.select([labels == 2, labels == 3], [1, 2]))
    np.testing.assert_array_equal(labels, given)
    valid[16:] = False
    np.testing.assert_array_equal(label_images.discard_border(labels, valid), labels == 2)


def test_objects_that_are_kept_are_renumbered_in_place():
    labels = np.array([[0, 1, 2], [3, 4, 4]], np.int32)
    kept = label_images.keep(labels, np.array([False, True, False, True]))
    assert kept is labels
    assert kept.tolist() == [[0, 0, 1], [0, 2, 2]]
    assert label_images.renumber(kept, np.array([3, 3])).tolist() == [[0, 0, 3], [0, 3, 3]]
    assert label_images.keep(labels * 0, np.zeros(0, bool)).max() == 0


def test_areas_and_means_are_those_of_the_objects(rng):
    labels = rng.integers(0, 6, (700, 30)).astype(np.int32)
    values = rng.random(labels.shape).astype(np.float32)
    index = np.arange(1, 6)
    assert label_images.areas(labels).tolist() == [np.sum(labels == i) for i in index]
    means = label_images.means(labels, values)
    np.testing.assert_allclose(means, ndimage.mean(values, labels, index), rtol=1e-5)
    y, x = np.transpose(ndimage.center_of_mass(labels > 0, labels, index))
    np.testing.assert_allclose(label_images.means(labels, np.arange(700)[:, None]), y)
    np.testing.assert_allclose(label_images.means(labels, np.arange(30)), x)
    assert len(label_images.means(labels * 0, values)) == 0


def test_the_width_of_a_large_region_is_approximate(monkeypatch):
    rows, cols = np.ogrid[:200, :200]
    disk = (rows - 100) ** 2 + (cols - 100) ** 2 <= 80**2
    exact = label_images.half_width(disk)
    assert abs(exact - 80) < 2
    monkeypatch.setattr(label_images, "PIXELS_AT_ONCE", 5000)
    assert abs(label_images.half_width(disk) - exact) < 4
