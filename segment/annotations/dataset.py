"""Images and masks of a data set: reading, checks, and division into parts."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import List, Sequence, Tuple

import numpy as np

from micrograph_networks.errors import UserError
from micrograph_networks.files.tables import read_csv
from micrograph_networks.images.gray import to_gray
from micrograph_networks.images.image_files import read_image
from micrograph_networks.progress import counted, follow
from micrograph_networks.training.split import assign_parts, near_duplicate_groups
from segment.inference.normalization import to_rgb
from segment.inference.scaling import resize, resize_labels, scaled_shape

COLUMNS = ("images", "masks")
"""Columns of the table of images and masks."""
SPLIT_COLUMNS = ("image", "group", "part")
"""Columns of split.csv."""


@dataclass(frozen=True)
class Pair:
    """Paths of an image and its mask.

    Attributes
    ----------
    name : str
        Path of the image as written in the table.
    image, mask : Path
        Paths of the files.
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
        Path of the image as written in the table.
    image : ndarray of uint8, (height, width, 3)
        RGB.
    mask : ndarray of uint8, (height, width)
        Class indices.
    """

    name: str
    image: np.ndarray
    mask: np.ndarray


def read_table(path: Path) -> List[Pair]:
    """Read the table of images and masks.

    Parameters
    ----------
    path : Path
        CSV with the columns images and masks, which hold paths relative to the CSV.

    Raises
    ------
    UserError
        It is not such a table, is empty, or a row lacks a path or repeats an image.
    """
    table = read_csv(path, COLUMNS, f"a CSV with the columns {' and '.join(COLUMNS)}")
    pairs, files, folder = [], set(), Path(path).parent
    for number, row in enumerate(table, 1):
        image, mask = row["images"].strip(), row["masks"].strip()
        if not image or not mask:
            raise UserError(f"{path}: row {number} lacks the path of an image or of a mask.")
        pair = Pair(image, folder / image, folder / mask)
        file = os.path.abspath(pair.image)
        if file in files:
            raise UserError(f"{path}: row {number} lists {image} again.")
        files.add(file)
        pairs.append(pair)
    return pairs


def read_pair(pair: Pair, class_names: Sequence[str]) -> Tuple[np.ndarray, np.ndarray]:
    """Read an image and its mask at their own size.

    Parameters
    ----------
    pair : Pair
    class_names : sequence of str
        Names of the class indices in the mask.

    Returns
    -------
    image : ndarray, (height, width) or (height, width, channels)
        Image with its own bit depth.
    mask : ndarray of uint8, (height, width)
        Class indices.

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


def load_samples(path: Path, class_names: Sequence[str], working_size: int) -> List[Sample]:
    """Read, check and scale all rows of a table.

    Parameters
    ----------
    path : Path
        Table for :func:`read_table`.
    class_names : sequence of str
        Names of the class indices in the masks.
    working_size : int
        Longer side of the scaled images in pixels.

    Raises
    ------
    UserError
        The table or some of its rows are faulty; the message lists all faults.
    """
    samples, faults = [], []
    for pair in follow(read_table(path), "image"):
        try:
            image, mask = read_pair(pair, class_names)
            rgb = to_rgb(image)
            if not np.isfinite(rgb).all():
                raise UserError(f"{pair.image} holds NaN or infinite pixels.")
        except UserError as error:
            faults.append(str(error))
            continue
        shape = scaled_shape(mask.shape, working_size / max(mask.shape))
        scaled = np.rint(resize(rgb, shape)).astype(np.uint8)
        # The nearest pixel keeps the area share of thin objects; averaging would lose them.
        samples.append(Sample(pair.name, scaled, resize_labels(mask, shape)))
    if faults:
        raise UserError("\n".join([f"{path} has faults in {len(faults)} rows:", *faults]))
    return samples


def read_groups(path: Path, names: Sequence[str]) -> List[List[int]]:
    """Read which images belong together.

    Parameters
    ----------
    path : Path
        JSON list of lists of image names without folder and suffix.
    names : list of str
        Paths of all images.

    Returns
    -------
    list of list of int
        Indices into ``names``; groups may hold other images, which are ignored.

    Raises
    ------
    UserError
        The file does not exist or is not such a list, or none of its names is of an image.
    """
    try:
        groups = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: check the path.") from None
    except (OSError, ValueError, RecursionError):
        groups = None
    if not isinstance(groups, list) or not all(isinstance(group, list) for group in groups):
        raise UserError(f"{path} is not a JSON list of lists of image names.")
    stems = [Path(name).stem for name in names]
    known = [set(map(str, group)) for group in groups]
    found = [[index for index, stem in enumerate(stems) if stem in group] for group in known]
    if groups and not any(found):
        raise UserError(
            f"{path} names none of the images, such as {stems[0]}: give names without folder and "
            "suffix, or omit --groups if it is a file for other images."
        )
    return found


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
        Indices of samples that belong together, in addition to those that look alike.
    seed : int
    hold_back : bool
        If False, all samples are training samples.

    Returns
    -------
    groups : ndarray of int, (n,)
        Group of each sample.
    parts : list of str
        Part of each sample: train, validation or test.

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
            f"{counted(len(samples), 'image')} in {counted(len(set(groups)), 'group')} of near "
            "duplicates are too few to hold some back for validation: give at least 5 that differ, "
            "better 50."
        )
    return groups, parts
