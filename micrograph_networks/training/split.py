"""Division of images into training, validation and test. Near duplicates stay in one part."""

from pathlib import Path
from typing import Iterable, List, Sequence, Set

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from skimage.transform import resize

from micrograph_networks.errors import UserError
from micrograph_networks.files.tables import read_csv

PARTS = ("train", "validation", "test")
"""Names of the parts."""
NEAR_DUPLICATE = 0.9
"""Correlation of thumbnails above which two images belong to one group."""


def near_duplicate_groups(
    images: Sequence[np.ndarray], known: Iterable[Sequence[int]] = ()
) -> np.ndarray:
    """Group images whose thumbnails correlate by more than 0.9.

    Parameters
    ----------
    images : list of ndarray, (height, width)
    known : iterable of list of int
        Indices of images that belong together, whatever they look like.

    Returns
    -------
    ndarray of int, (n,)
        Group of each image, from 0 on.
    """
    thumbnails = np.stack(
        [resize(image.astype(np.float32), (32, 32), anti_aliasing=True).ravel() for image in images]
    )
    thumbnails -= thumbnails.mean(axis=1, keepdims=True)
    thumbnails /= np.linalg.norm(thumbnails, axis=1, keepdims=True) + 1e-9
    alike = thumbnails @ thumbnails.T > NEAR_DUPLICATE
    for indices in known:
        alike[np.ix_(indices, indices)] = True
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
    position = np.argsort(order) / len(order)
    return [PARTS[i] for i in np.searchsorted([0.8, 0.9], position[groups], side="right")]


def read_part(path: Path, part: str) -> Set[str]:
    """Read the images of a part from the split.csv of a training.

    Parameters
    ----------
    path : Path
    part : str
        One of PARTS.

    Returns
    -------
    set of str
        Values of the column ``image``.

    Raises
    ------
    UserError
        The file does not exist, is not such a CSV, or has no image of this part.
    """
    rows = read_csv(path, ("image", "part"), "the split.csv of a training")
    names = {row["image"] for row in rows if row["part"] == part}
    if not names:
        raise UserError(f"{path} contains no {part} image.")
    return names
