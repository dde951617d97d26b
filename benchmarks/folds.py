"""Division of groups of images into folds for cross-validation."""

import numpy as np


def assign_folds(groups: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Divide groups at random into folds of about as many images each.

    Parameters
    ----------
    groups : ndarray of int, (n,)
        Group of each image, from 0 on.
    folds : int
        Number of folds, at most the number of groups.
    seed : int

    Returns
    -------
    ndarray of int, (n,)
        Fold of each image, from 0 on.
    """
    sizes = np.bincount(groups)
    filled, fold_of = np.zeros(folds, dtype=int), np.empty(len(sizes), dtype=int)
    order = np.random.default_rng(seed).permutation(len(sizes))
    # Largest groups first, each into the fold with the fewest images.
    for group in order[np.argsort(-sizes[order], kind="stable")]:
        fold_of[group] = filled.argmin()
        filled[fold_of[group]] += sizes[group]
    return fold_of[groups]
