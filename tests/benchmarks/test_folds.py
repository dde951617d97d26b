import numpy as np
from folds import assign_folds


def test_folds_have_whole_groups_and_equal_sizes(rng):
    groups = np.concatenate([np.zeros(12, int), rng.integers(1, 40, 108), np.arange(1, 40)])
    folds = assign_folds(groups, 4, seed=0)
    assert all(len(set(folds[groups == group])) == 1 for group in range(40))
    assert np.ptp(np.bincount(folds, minlength=4)) <= 2
    np.testing.assert_array_equal(folds, assign_folds(groups, 4, seed=0))
    assert (folds != assign_folds(groups, 4, seed=1)).any()
