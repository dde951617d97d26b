"""Training images: which are in focus, which belong together, and who learns from them."""

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
"""Images whose :func:`sharpness` is below are held to be out of focus and are left out."""

BLURRED = "blurred"
"""The part of those that are left out."""

SPLIT_COLUMNS = ("image", "source", "group", "sharpness", "part")
"""Of split.csv."""


@dataclass(frozen=True)
class Record:
    """An image of a data set.

    Attributes
    ----------
    path : Path
    source : str
        Where it comes from, see :func:`source_of`.
    group : int
        Near duplicates and images of one source share it.
    sharpness : float
        See :func:`sharpness`.
    part : str
        train, validation, test, or blurred where the image is left out.
    """

    path: Path
    source: str
    group: int
    sharpness: float
    part: str


def sharpness(image: np.ndarray) -> float:
    """Steepest edges of an image in units of its contrast.

    The 99.9th percentile of the gradient magnitude (Gaussian of 1 pixel) divided by the range
    between the 1st and the 99.9th percentile of the smoothed gray levels. A step edge gives 0.40,
    an edge blurred to a width of several pixels less.

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
    """The source of an image: what stands before ``__`` in its name, or the name of its folder."""
    before, mark, _ = path.name.partition("__")
    return before if mark else path.resolve().parent.name


def divide(paths: Sequence[Path], seed: int) -> List[Record]:
    """Divide images into training (80%), validation (10%) and test (10%), whole groups at a time.

    Images of a source that their names tell (``SOURCE__NAME.png``) stay together, so that what is
    measured is how well the network does on instruments that it has not seen.

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
        An image cannot be read, or none for training is in focus.
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
    """The images of a part, cleaned, float32 (height, width), a list for each source."""
    images: Dict[str, List[np.ndarray]] = {}
    for record in records:
        if record.part == part:
            images.setdefault(record.source, []).append(clean(read_gray(record.path)))
    return list(images.values())


def split_rows(records: Sequence[Record]) -> List[Tuple[str, ...]]:
    """Records as rows of split.csv, in the order of SPLIT_COLUMNS."""
    return [(r.path.name, r.source, str(r.group), f"{r.sharpness:.3f}", r.part) for r in records]


def _with_sources(groups: np.ndarray, paths: Sequence[Path]) -> np.ndarray:
    """Groups of near duplicates, joined where their images come from one named source."""
    groups = groups.copy()
    first: Dict[str, int] = {}
    for position, path in enumerate(paths):
        if "__" in path.name:
            kept = first.setdefault(source_of(path), groups[position])
            groups[groups == groups[position]] = kept
    return groups
