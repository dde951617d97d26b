"""Select in-focus training images, and divide them into parts."""

from pathlib import Path
from typing import Dict, List, Sequence

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter, gaussian_gradient_magnitude

from focusqual.simulation.sources import clean
from micrograph_networks.errors import UserError
from micrograph_networks.images.image_files import read_gray
from micrograph_networks.training.split import (
    assign_parts,
    near_duplicate_groups,
    split_names,
)

SHARPNESS_MIN = 0.115
"""Minimum :func:`sharpness` of an image to be used; blurrier images count as out of focus."""
BLURRED = "blurred"
"""Part of the images that are not used."""
SPLIT_COLUMNS = ["image", "source", "group", "sharpness", "part"]
"""Columns of split.csv."""


def sharpness(image: np.ndarray) -> float:
    """Return the steepness of an image's edges in units of its contrast.

    This is the 99.9th percentile of the gradient magnitude (Gaussian of 1 pixel) divided by the
    range between the 1st and the 99.9th percentile of the smoothed gray levels. A step edge gives
    0.40; blurred edges give less.

    Parameters
    ----------
    image : ndarray, (height, width), any real dtype

    Returns
    -------
    float
        0 for an image of one gray level.
    """
    image = image.astype(np.promote_types(image.dtype, np.float32))
    low, high = np.percentile(gaussian_filter(image, 1), [1, 99.9])
    edges = np.percentile(gaussian_gradient_magnitude(image, 1), 99.9)
    return float(edges / (high - low)) if high > low else 0.0


def source_of(path: Path) -> str:
    """Return the part of an image's name before ``__``, or else the name of its folder."""
    before, mark, _ = path.name.partition("__")
    return before if mark else path.resolve().parent.name


def divide(paths: Sequence[Path], seed: int) -> pd.DataFrame:
    """Divide images into training (80%), validation (10%) and test (10%).

    Near duplicates stay in one part, and so do images of a source that is part of their names
    (``SOURCE__NAME.png``): the test then measures accuracy on instruments that training never saw.

    Parameters
    ----------
    paths : list of Path
    seed : int

    Returns
    -------
    DataFrame
        One row per path, in the same order: ``path``, ``image`` (path relative to the common
        folder), ``source`` (see :func:`source_of`), ``group``, ``sharpness`` (see
        :func:`sharpness`) and ``part`` (train, validation, test or blurred).

    Raises
    ------
    UserError
        An image cannot be read, or no training image is in focus.
    """
    images = [read_gray(path) for path in paths]
    groups = _with_sources(near_duplicate_groups(images), paths)
    records = pd.DataFrame(
        {
            "path": paths,
            "image": split_names(paths),
            "source": [source_of(path) for path in paths],
            "group": groups,
            "sharpness": [sharpness(image) for image in images],
            "part": assign_parts(groups, seed),
        }
    )
    records.loc[records["sharpness"] < SHARPNESS_MIN, "part"] = BLURRED
    if "train" not in set(records["part"]):
        raise UserError("None of the images is in focus: train on sharp images.")
    return records


def by_source(records: pd.DataFrame, part: str) -> List[List[np.ndarray]]:
    """Return the cleaned images of a part, float32 (height, width), one list per source."""
    chosen = records[records["part"] == part]
    sources = chosen.groupby("source", sort=False)["path"]
    return [[clean(read_gray(path)) for path in paths] for _, paths in sources]


def split_rows(records: pd.DataFrame) -> List[List[str]]:
    """Return records as rows of split.csv, in the order of SPLIT_COLUMNS."""
    rounded = records.assign(sharpness=records["sharpness"].map("{:.3f}".format))
    return rounded[SPLIT_COLUMNS].astype(str).to_numpy().tolist()


def _with_sources(groups: np.ndarray, paths: Sequence[Path]) -> np.ndarray:
    """Merge groups of near duplicates that contain images of the same named source."""
    groups = groups.copy()
    first: Dict[str, int] = {}
    for index, path in enumerate(paths):
        if "__" in path.name:
            kept = first.setdefault(source_of(path), groups[index])
            groups[groups == groups[index]] = kept
    return groups
