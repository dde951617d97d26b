"""Who of a data set learns and who is held back: whole groups of near duplicates at a time."""

from pathlib import Path
from typing import Iterable, List, Sequence, Set

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from skimage.transform import resize

from micrograph_networks.errors import UserError
from micrograph_networks.files.tables import read_csv

PARTS = ("train", "validation", "test")
"""Into which images are divided."""
NEAR_DUPLICATE = 0.9
"""Correlation of thumbnails from which two images belong to one group."""


def near_duplicate_groups(
    images: Sequence[np.ndarray], known: Iterable[Sequence[int]] = ()
) -> np.ndarray:
    """Number the groups of images whose thumbnails correlate by more than 0.9.

    Parameters
    ----------
    images : list of ndarray, (height, width)
    known : iterable of list of int
        Places in the list of images that belong together whatever they look like.

    Returns
    -------
    ndarray of int, (n,)
        From 0 on.
    """
    thumbnails = np.stack(
        [resize(image.astype(np.float32), (32, 32), anti_aliasing=True).ravel() for image in images]
    )
    thumbnails -= thumbnails.mean(axis=1, keepdims=True)
    thumbnails /= np.linalg.norm(thumbnails, axis=1, keepdims=True) + 1e-9
    alike = thumbnails @ thumbnails.T > NEAR_DUPLICATE
    for places in known:
        alike[np.ix_(places, places)] = True
    return connected_components(coo_matrix(alike), directed=False)[1]


def assign_parts(groups: np.ndarray, seed: int) -> List[str]:
    """Divide groups into training (80%), validation (10%) and test (10%).

    Parameters
    ----------
    groups : ndarray of int, (n,)
        Group of each image, from 0 on.
    seed : int

    Returns
    -------
    list of str
        Part of each image.
    """
    order = np.random.default_rng(seed).permutation(groups.max() + 1)
    place = np.argsort(order) / len(order)
    return [PARTS[i] for i in np.searchsorted([0.8, 0.9], place[groups], side="right")]


def assign_folds(groups: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Divide groups at random into folds of about as many images each.

    Parameters
    ----------
    groups : ndarray of int, (n,)
        Group of each image, from 0 on.
    folds : int
        No more than there are groups.
    seed : int

    Returns
    -------
    ndarray of int, (n,)
        Fold of each image, from 0 on.
    """
    sizes = np.bincount(groups)
    held, fold_of = np.zeros(folds, dtype=int), np.empty(len(sizes), dtype=int)
    order = np.random.default_rng(seed).permutation(len(sizes))
    # The large ones first, each into the fold that has least.
    for group in order[np.argsort(-sizes[order], kind="stable")]:
        fold_of[group] = held.argmin()
        held[fold_of[group]] += sizes[group]
    return fold_of[groups]


def read_part(path: Path, part: str) -> Set[str]:
    """Images of a part in the split.csv of a training.

    Parameters
    ----------
    path : Path
    part : str
        train, validation or test.

    Returns
    -------
    set of str
        The column ``image``.

    Raises
    ------
    UserError
        The file does not exist, is no such CSV, or has no image of this part.
    """
    rows = read_csv(path, ("image", "part"), "the split.csv of a training")
    names = {row["image"] for row in rows if row["part"] == part}
    if not names:
        raise UserError(f"{path} holds no {part} image.")
    return names
