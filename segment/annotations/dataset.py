"""Images and masks of a data set: read, checked and divided into parts."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, List, Sequence, Tuple

import numpy as np
from tqdm import tqdm

from micrograph_networks.errors import UserError
from micrograph_networks.files.tables import read_csv
from micrograph_networks.images.gray import to_gray
from micrograph_networks.images.image_files import read_image
from micrograph_networks.training.split import assign_parts, near_duplicate_groups
from segment.inference.normalization import to_rgb
from segment.inference.scaling import resize, resize_labels

ShapeOf = Callable[[Tuple[int, ...]], Tuple[int, ...]]
"""From the shape of an image to its height and width at the working scale."""

COLUMNS = ("images", "masks")
"""Of the table that maps images to masks."""
SPLIT_COLUMNS = ("image", "group", "part")
"""Of split.csv."""


@dataclass(frozen=True)
class Pair:
    """An image and its mask.

    Attributes
    ----------
    name : str
        Of the image, as the table gives it.
    image, mask : Path
    """

    name: str
    image: Path
    mask: Path


@dataclass(frozen=True)
class Sample:
    """An image and its mask at the working scale.

    Attributes
    ----------
    name : str
        Of the image, as the table gives it.
    image : ndarray of uint8, (height, width, 3)
        RGB.
    mask : ndarray of uint8, (height, width)
        Class indices.
    """

    name: str
    image: np.ndarray
    mask: np.ndarray


def read_table(path: Path) -> List[Pair]:
    """Read which mask belongs to which image.

    Parameters
    ----------
    path : Path
        A CSV with columns images and masks, paths relative to the CSV.

    Returns
    -------
    list of Pair

    Raises
    ------
    UserError
        It is no such table, is empty, or a row lacks a path or repeats an image.
    """
    table = read_csv(path, COLUMNS, f"a CSV with the columns {' and '.join(COLUMNS)}")
    rows = [tuple(row[column].strip() for column in COLUMNS) for row in table]
    folder, names = Path(path).parent, set()
    for number, (image, mask) in enumerate(rows, 1):
        if not image or not mask:
            raise UserError(f"{path}: row {number} lacks the path of an image or of a mask.")
        if image in names:
            raise UserError(f"{path}: row {number} lists {image} again.")
        names.add(image)
    return [Pair(image, folder / image, folder / mask) for image, mask in rows]


def read_pair(pair: Pair, class_names: Sequence[str]) -> Tuple[np.ndarray, np.ndarray]:
    """Read an image and its mask at their own size.

    Parameters
    ----------
    pair : Pair
    class_names : sequence of str

    Returns
    -------
    image : ndarray, (height, width) or (height, width, channels)
        With its own bit depth.
    mask : ndarray of uint8, (height, width)
        Indices of the class names.

    Raises
    ------
    UserError
        A file is missing or unreadable, the sizes differ, or the mask holds another value.
    """
    image, mask = read_image(pair.image), read_image(pair.mask)
    if mask.ndim != 2:
        mask = _one_channel(mask, pair.mask)
    if image.shape[:2] != mask.shape:
        raise UserError(f"{pair.image} is {_size(image)} pixels but {pair.mask} is {_size(mask)}.")
    unknown = np.setdiff1d(mask, np.arange(len(class_names)))
    if unknown.size:
        raise UserError(
            f"{pair.mask} holds the value {unknown[0]}, but the classes are "
            f"{', '.join(f'{index} {name}' for index, name in enumerate(class_names))}: "
            "convert it with convert-masks."
        )
    return image, mask.astype(np.uint8)


def _one_channel(mask: np.ndarray, path: Path) -> np.ndarray:
    if mask.ndim == 3 and mask.shape[2] in (3, 4) and (mask[..., :3] != mask[..., :1]).any():
        raise UserError(f"{path} is in color: convert it into class indices with convert-masks.")
    return to_gray(mask[..., :1])


def _size(image: np.ndarray) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"


def load_samples(path: Path, class_names: Sequence[str], shape_of: ShapeOf) -> List[Sample]:
    """Read, check and scale all rows of a table.

    Parameters
    ----------
    path : Path
        As for :func:`read_table`.
    class_names : sequence of str
    shape_of : callable
        From the shape of an image to its height and width at the working scale.

    Returns
    -------
    list of Sample

    Raises
    ------
    UserError
        The table is wrong, or rows of it are: all faults together.
    """
    samples, faults = [], []
    for pair in tqdm(read_table(path), desc="Reading images", unit="image", disable=None):
        try:
            image, mask = read_pair(pair, class_names)
            samples.append(_scaled(pair, to_rgb(image), mask, shape_of))
        except UserError as error:
            faults.append(str(error))
    if faults:
        raise UserError("\n".join([f"{path} has faults in {len(faults)} rows:", *faults]))
    return samples


def _scaled(pair: Pair, rgb: np.ndarray, mask: np.ndarray, shape_of: ShapeOf) -> Sample:
    if not np.isfinite(rgb).all():
        raise UserError(f"{pair.image} holds NaN or infinite pixels.")
    shape = shape_of(mask.shape)
    image = np.rint(resize(rgb, shape)).astype(np.uint8)
    # The nearest pixel keeps the share of the area that thin objects have; averaging loses them.
    return Sample(pair.name, image, resize_labels(mask, shape))


def read_groups(path: Path, names: Sequence[str]) -> List[List[int]]:
    """Which images belong together, by a file of groups.

    Parameters
    ----------
    path : Path
        A JSON list of lists of names without suffix and folder.
    names : list of str
        Of all images.

    Returns
    -------
    list of list of int
        Places in ``names``; images that are not there are left out.

    Raises
    ------
    UserError
        The file is no such list.
    """
    try:
        groups = [
            set(map(str, group)) for group in json.loads(Path(path).read_text(encoding="utf-8"))
        ]
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path} is no JSON list of lists of image names.") from error
    stems = [Path(name).stem for name in names]
    return [[place for place, stem in enumerate(stems) if stem in group] for group in groups]


def divide(
    samples: Sequence[Sample],
    known_groups: Sequence[List[int]],
    seed: int,
    hold_back: bool = True,
) -> Tuple[np.ndarray, List[str]]:
    """Divide samples into training (80%), validation (10%) and test (10%), whole groups at a time.

    Parameters
    ----------
    samples : list of Sample
    known_groups : list of list of int
        Places of samples that belong together, besides those that look alike.
    seed : int
    hold_back : bool
        Otherwise all learn.

    Returns
    -------
    groups : ndarray of int, (n,)
    parts : list of str

    Raises
    ------
    UserError
        There are too few different images for a validation part.
    """
    groups = near_duplicate_groups([to_gray(sample.image) for sample in samples], known_groups)
    if not hold_back:
        return groups, ["train"] * len(samples)
    parts = assign_parts(groups, seed)
    if "validation" not in parts:
        raise UserError(
            f"{len(samples)} images in {len(set(groups))} groups of near duplicates are too few "
            "to hold some back for validation: give at least 5 that differ, better 50."
        )
    return groups, parts


def split_rows(
    samples: Sequence[Sample], groups: np.ndarray, parts: Sequence[str]
) -> List[Tuple[str, str, str]]:
    """Samples as rows of split.csv, in the order of SPLIT_COLUMNS."""
    return [(s.name, str(group), part) for s, group, part in zip(samples, groups, parts)]
