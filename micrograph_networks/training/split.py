"""Division of images into training, validation and test. Near duplicates stay in one part."""

import os
from pathlib import Path
from typing import Iterable, List, Mapping, Optional, Sequence

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from skimage.transform import resize

from micrograph_networks.errors import UserError
from micrograph_networks.files.tables import escaped, read_csv

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


def split_names(paths: Sequence[Path]) -> List[str]:
    """Return the names of images in split.csv: paths relative to their common folder.

    They tell images with equal file names in several folders apart.
    """
    absolute = [os.path.abspath(path) for path in paths]
    folder = os.path.commonpath([os.path.dirname(path) for path in absolute])
    return [Path(os.path.relpath(path, folder)).as_posix() for path in absolute]


def select_part(paths: Sequence[Path], split: Path, part: str) -> List[int]:
    """Find the images of a part of a training's split.csv.

    Parameters
    ----------
    paths : sequence of Path
    split : Path
    part : str
        One of PARTS.

    Returns
    -------
    list of int
        Indices of the images. An image is the one with the longest name in split.csv with which
        its path ends.

    Raises
    ------
    UserError
        The file does not exist or is not such a CSV, or none of the images is of this part.
    """
    rows = read_csv(split, ("image", "part"), "the split.csv of a training")
    parts = {row["image"]: row["part"] for row in rows}
    if part not in parts.values():
        raise UserError(f"{split} contains no {part} image.")
    chosen = [index for index, path in enumerate(paths) if _part_of(path, parts) == part]
    if not chosen:
        raise UserError(f"None of the images is a {part} image of {split}: check the paths.")
    return chosen


def _part_of(path: Path, parts: Mapping[str, str]) -> Optional[str]:
    """Return the part of an image; None if it is in none."""
    folders = Path(os.path.abspath(path)).parts
    ends = ["/".join(folders[start:]) for start in range(len(folders))]
    return next((parts[end] for end in map(escaped, ends) if end in parts), None)
