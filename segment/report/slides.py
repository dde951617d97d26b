"""How many images of a slide show objects of a class, and how many objects there are."""

import os
from pathlib import Path
from typing import Dict, List, Mapping, NamedTuple, Sequence, Tuple

import numpy as np

from micrograph_networks.evaluation.intervals import (
    largest_share,
    ratio_interval,
    share_interval,
)
from micrograph_networks.files.tables import csv_table, number
from segment.report.records import Candidate, ImageRecord

ACCEPTED, REJECTED = DECISIONS = ("accepted", "rejected")
Key = Tuple[str, str, str]
"""Folder, name of the image, and number of an object."""


class Group(NamedTuple):
    """Numbers of a group of images, such as a slide. Intervals are those of 95%.

    Attributes
    ----------
    group : str
    images, positive_images : int
        Numbers of all images, and of those that show an object that nobody rejected.
    positive_fraction, positive_low, positive_high : float
        Their share, with Wilson's interval.
    objects, accepted, rejected : int
        Numbers of objects that nobody rejected, and of those that a person accepted or rejected.
    per_image, per_image_low, per_image_high : float
        Objects per image, with the interval of a bootstrap over the images.
    per_1000_cells, per_1000_cells_low, per_1000_cells_high : float
        Objects per 1,000 blood cells, likewise. NaN if there are no blood cells.
    """

    group: str
    images: int
    positive_images: int
    positive_fraction: float
    positive_low: float
    positive_high: float
    objects: int
    accepted: int
    rejected: int
    per_image: float
    per_image_low: float
    per_image_high: float
    per_1000_cells: float
    per_1000_cells_low: float
    per_1000_cells_high: float

    def sentence(self, name: str) -> str:
        """Say how many images show objects of the class of this name."""
        title = f" of {self.group}" if self.group else ""
        if not self.positive_images:
            most = 100 * largest_share(self.images)
            return (
                f"None of {self.images} images{title} shows a {name}: at 95% confidence, fewer "
                f"than {most:.2g}% of such images do."
            )
        low, high = 100 * self.positive_low, 100 * self.positive_high
        return (
            f"{self.positive_images} of {self.images} images{title} show a {name} "
            f"({low:.0f} to {high:.0f}%)."
        )


def key_of(record: ImageRecord, candidate: Candidate) -> Key:
    """Return what identifies an object in a table of decisions."""
    return record.folder, record.name, str(candidate.number)


def folder_names(folders: Sequence[str]) -> List[str]:
    """Return the name of each folder, with those above it if names of different ones are equal."""
    parts = [folder_parts(folder) for folder in folders]
    names = [folder[-1] for folder in parts]
    if len(set(names)) == len(set(map(tuple, parts))):
        return names
    common = len(os.path.commonprefix(parts))  # type: ignore[type-var]
    return ["/".join(folder[max(common - 1, 0) :]) for folder in parts]


def folder_parts(folder: str) -> List[str]:
    """Return the parts of the path of a folder, on any system."""
    return folder.replace("\\", "/").rstrip("/").split("/")


def summarize(records: Sequence[ImageRecord], decisions: Mapping[Key, str]) -> List[Group]:
    """Count images and objects by group.

    Parameters
    ----------
    records : sequence of ImageRecord
    decisions : mapping of Key to str
        One of DECISIONS for objects that a person reviewed.

    Returns
    -------
    list of Group
        In the order of their names.
    """
    groups: Dict[str, List[ImageRecord]] = {}
    for record in records:
        groups.setdefault(record.group, []).append(record)
    return [_group(name, groups[name], decisions) for name in sorted(groups)]


def write_groups(path: Path, groups: Sequence[Group]) -> None:
    """Write groups.csv, a row per group."""
    with csv_table(path, Group._fields) as rows:
        for one in groups:
            rows.writerow([number(value) if isinstance(value, float) else value for value in one])


def _group(name: str, records: Sequence[ImageRecord], decisions: Mapping[Key, str]) -> Group:
    verdicts = [
        [decisions.get(key_of(record, one)) for one in record.candidates] for record in records
    ]
    counts = np.array([len(one) - one.count(REJECTED) for one in verdicts])
    positive = int(np.count_nonzero(counts))
    cells = np.array([record.cells or 0 for record in records])
    per_cell = _ratio(1000 * counts, cells) if cells.any() else (np.nan,) * 3
    return Group(
        name,
        len(records),
        positive,
        positive / len(records),
        *share_interval(positive, len(records)),
        int(counts.sum()),
        sum(one.count(ACCEPTED) for one in verdicts),
        sum(one.count(REJECTED) for one in verdicts),
        *_ratio(counts, np.ones(len(counts))),
        *per_cell,
    )


def _ratio(counts: np.ndarray, sizes: np.ndarray) -> Tuple[float, float, float]:
    return (float(counts.sum() / sizes.sum()), *ratio_interval(counts, sizes))
