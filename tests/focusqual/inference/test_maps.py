import numpy as np
from support import measure

from focusqual.inference.maps import mean_within, patch_map


def test_overlapping_patches_are_averaged(rng):
    measurement = measure(rng.random((84, 126)))
    found = patch_map(np.array([[2.0, 4.0]]), measurement, (84, 126))
    assert found[0, [0, 41, 42, 83, 84, 125]].tolist() == [2, 2, 3, 3, 4, 4]


def test_patches_outside_of_the_mask_are_nan(rng):
    mask = np.repeat([[False, True]], 84, axis=1).repeat(84, axis=0)
    found = patch_map(np.array([[2.0, 4.0]]), measure(rng.random((84, 168)), mask), (84, 168))
    assert np.isnan(found[:, :84]).all()
    assert (found[:, 84:] == 4).all()


def test_means_within_objects():
    pixels = np.array([[1, 2, np.nan], [3, np.nan, np.nan]])
    ijv = np.array([(0, 0, 1), (0, 1, 1), (0, 2, 1), (0, 1, 2), (1, 0, 2), (1, 2, 3), (9, 9, 2)])
    np.testing.assert_array_equal(mean_within(pixels, ijv, 4), [1.5, 2.5, np.nan, np.nan])
