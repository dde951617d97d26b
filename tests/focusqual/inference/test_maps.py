import numpy as np
from support import measure

from focusqual.inference.maps import mean_within, patch_map, patch_pixels

NAN = np.nan


def test_overlapping_patches_are_averaged(rng):
    measurement = measure(rng.random((84, 126)))
    found = patch_map(np.array([[2.0, 4.0]]), measurement, (84, 126))
    assert found[0, [0, 41, 42, 83, 84, 125]].tolist() == [2, 2, 3, 3, 4, 4]


def test_patches_outside_of_the_mask_are_nan(rng):
    mask = np.repeat([[False, True]], 84, axis=1).repeat(84, axis=0)
    found = patch_map(np.array([[2.0, 4.0]]), measure(rng.random((84, 168)), mask), (84, 168))
    assert np.isnan(found[:, :84]).all()
    assert (found[:, 84:] == 4).all()
    assert found.dtype == np.float32


def test_pixels_outside_of_the_mask_are_nan(rng):
    mask = np.zeros((84, 168), bool)
    mask[:60, 100:] = mask[:9, :9] = True
    found = patch_map(np.array([[2.0, 4.0]]), measure(rng.random((84, 168)), mask), (84, 168), mask)
    assert found.dtype == np.float32
    assert (found[:60, 100:] == 4).all()
    # Most of the left patch is masked, so it does not count.
    assert np.isfinite(found).sum() == 60 * 68


def test_pixels_of_patches_are_listed_by_patch(rng):
    pixels = patch_pixels(measure(rng.random((90, 100))))
    assert pixels.dtype == np.int32
    corners = [(0, 0), (0, 16), (6, 0), (6, 16)]
    for number, (top, left) in enumerate(corners, start=1):
        patch = pixels[(number - 1) * 84 * 84 : number * 84 * 84]
        rows, cols = np.mgrid[top : top + 84, left : left + 84].reshape(2, -1)
        np.testing.assert_array_equal(patch, np.column_stack([rows, cols, rows * 0 + number]))
    assert len(pixels) == 4 * 84 * 84


def test_means_within_objects():
    pixels = np.array([[1, 2, np.nan], [3, np.nan, np.nan]])
    ijv = np.array([(0, 0, 1), (0, 1, 1), (0, 2, 1), (0, 1, 2), (1, 0, 2), (1, 2, 3), (0, 0, 5)])
    outside = np.array([(2, 0, 1), (0, 3, 1), (9, 9, 2), (0, 9, 4)])
    ijv = np.concatenate([ijv, outside])
    np.testing.assert_array_equal(mean_within(pixels, ijv, 6), [1.5, 2.5, NAN, NAN, 1, NAN])
