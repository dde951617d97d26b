import numpy as np
from support import measure

from focusqual.inference.maps import mean_within, patch_map


def test_a_map_spreads_patches_and_averages_where_they_overlap(rng):
    measurement = measure(rng.random((84, 126)))
    assert measurement.boxes[0, :, 1].tolist() == [0, 42]
    found = patch_map(np.array([[2.0, 4.0]]), measurement, (84, 126))
    assert found[0, [0, 41, 42, 83, 84, 125]].tolist() == [2, 2, 3, 3, 4, 4]


def test_a_map_leaves_out_what_does_not_count(rng):
    mask = np.ones((84, 168), bool)
    mask[:, :84] = False
    measurement = measure(rng.random((84, 168)), mask)
    found = patch_map(np.array([[2.0, 4.0]]), measurement, (84, 168))
    assert np.isnan(found[:, :84]).all()
    assert (found[:, 84:] == 4).all()


def test_means_within_objects():
    pixels = np.array([[1, 2, np.nan], [3, np.nan, np.nan]])
    ijv = np.array([(0, 0, 1), (0, 1, 1), (0, 2, 1), (0, 1, 2), (1, 0, 2), (1, 2, 3), (9, 9, 2)])
    np.testing.assert_array_equal(mean_within(pixels, ijv, 4), [1.5, 2.5, np.nan, np.nan])
