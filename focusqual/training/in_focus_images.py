"""Select in-focus training images, and divide them into parts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

import numpy as np
from scipy.ndimage import gaussian_filter, gaussian_gradient_magnitude

from focusqual.simulation.sources import clean
from micrograph_networks.errors import UserError
from micrograph_networks.images.image_files import read_gray
from micrograph_networks.training.split import assign_parts, near_duplicate_groups

SHARPNESS_MIN = 0.115
"""Minimum :func:`sharpness` of an image to be used; blurrier images count as out of focus."""
BLURRED = "blurred"
"""Part of the images that are not used."""
SPLIT_COLUMNS = ("image", "source", "group", "sharpness", "part")
"""Columns of split.csv."""


@dataclass(frozen=True)
class Record:
    """An image of a data set.

    Attributes
    ----------
    path : Path
        Path of the image file.
    source : str
        Origin of the image, see :func:`source_of`.
    group : int
        Group of near duplicates and images of one named source.
    sharpness : float
        See :func:`sharpness`.
    part : str
        train, validation, test or blurred.
    """

    path: Path
    source: str
    group: int
    sharpness: float
    part: str


def sharpness(image: np.ndarray) -> float:
    """Return the steepness of an image's edges in units of its contrast.

    This is the 99.9th percentile of the gradient magnitude (Gaussian of 1 pixel) divided by the
    range between the 1st and the 99.9th percentile of the smoothed gray levels. A step edge gives
    0.40; blurred edges give less.

    Parameters
    ----------
    image : ndarray, (height, width)

    Returns
    -------
    float
        0 for an image of one gray level.
    """
    image = image.astype(np.float32)
    low, high = np.percentile(gaussian_filter(image, 1), [1, 99.9])
    edges = np.percentile(gaussian_gradient_magnitude(image, 1), 99.9)
    return float(edges / (high - low)) if high > low else 0.0


def source_of(path: Path) -> str:
    """Return the part of an image's name before ``__``, or else the name of its folder."""
    before, mark, _ = path.name.partition("__")
    return before if mark else path.resolve().parent.name


def divide(paths: Sequence[Path], seed: int) -> List[Record]:
    """Divide images into training (80%), validation (10%) and test (10%).

    Near duplicates stay in one part, and so do images of a source that is part of their names
    (``SOURCE__NAME.png``): the test then measures accuracy on instruments that training never saw.

    Parameters
    ----------
    paths : list of Path
    seed : int

    Returns
    -------
    list of Record
        In the order of the paths.

    Raises
    ------
    UserError
        An image cannot be read, or no training image is in focus.
    """
    images = [read_gray(path) for path in paths]
    groups = _with_sources(near_duplicate_groups(images), paths)
    records = []
    for path, image, group, part in zip(paths, images, groups, assign_parts(groups, seed)):
        value = sharpness(image)
        part = part if value >= SHARPNESS_MIN else BLURRED
        records.append(Record(path, source_of(path), int(group), value, part))
    if not any(record.part == "train" for record in records):
        raise UserError("None of the images is in focus: train on sharp images.")
    return records


def by_source(records: Sequence[Record], part: str) -> List[List[np.ndarray]]:
    """Return the cleaned images of a part, float32 (height, width), one list per source."""
    images: Dict[str, List[np.ndarray]] = {}
    for record in records:
        if record.part == part:
            images.setdefault(record.source, []).append(clean(read_gray(record.path)))
    return list(images.values())


def split_rows(records: Sequence[Record]) -> List[Tuple[str, ...]]:
    """Return records as rows of split.csv, in the order of SPLIT_COLUMNS."""
    return [(r.path.name, r.source, str(r.group), f"{r.sharpness:.3f}", r.part) for r in records]


def _with_sources(groups: np.ndarray, paths: Sequence[Path]) -> np.ndarray:
    """Merge groups of near duplicates that contain images of the same named source."""
    groups = groups.copy()
    first: Dict[str, int] = {}
    for index, path in enumerate(paths):
        if "__" in path.name:
            kept = first.setdefault(source_of(path), groups[index])
            groups[groups == groups[index]] = kept
    return groups
