"""Read the output of 'segment-darkfield predict': tables, label images, and the images."""

import contextlib
import math
from pathlib import Path
from typing import Callable, Dict, List, Mapping, Sequence, Tuple

from micrograph_networks.errors import UserError
from micrograph_networks.files.tables import read_csv
from micrograph_networks.images.image_files import read_image
from micrograph_networks.images.planes import Plane, planes_of
from segment.classes import BLOOD_CELL, CLASSES, in_names
from segment.inference.tables import count_column
from segment.report.records import ImageRecord, candidates_of
from segment.report.slides import folder_names, folder_parts

PICTURE = "review_{:05}.jpg"
"""Name of the picture of an image beside the page, by its number."""
WANTED = "the output folder of 'segment-darkfield predict'"
Row = Mapping[str, str]
GroupsOf = Callable[[Sequence[Row]], List[str]]


def read_found(
    folder: Path, suffix: str, class_name: str, groups_of: GroupsOf
) -> List[Tuple[ImageRecord, Plane]]:
    """Read which objects of a class were found in which images.

    Parameters
    ----------
    folder : Path
        Output folder of 'segment-darkfield predict'.
    suffix : str
        Text at the end of the names of its files.
    class_name : str
    groups_of : callable
        Function from the rows of images.csv to the names of their groups.

    Returns
    -------
    list of (ImageRecord, Plane)
        Also images without objects.

    Raises
    ------
    UserError
        A table or a label image is missing, damaged or does not belong to the others, an image was
        moved since, or the model does not find this class.
    """
    counted, cells = count_column(class_name), count_column(CLASSES[BLOOD_CELL])
    path = folder / f"images{suffix}.csv"
    rows = read_csv(path, ["image", "folder", "pictures"], WANTED)
    if counted not in rows[0]:
        raise UserError(f"{path} has no column {counted}: choose another --class.")
    probabilities: Dict[Tuple[str, str], List[float]] = {}
    if any(_number(path, row[counted]) for row in rows):
        probabilities = _probabilities(folder / f"cells{suffix}.csv", class_name)
    found = []
    for number, (row, group) in enumerate(zip(rows, groups_of(rows)), 1):
        plane = _plane_of(row)
        label_image = folder / f"{row['pictures']}_{in_names(class_name)}{suffix}.tif"
        labels = read_image(label_image)
        likely = probabilities.get((row["folder"], row["image"]), [])
        if not labels.max() == len(likely) == _number(path, row[counted]):
            raise UserError(
                f"{label_image} holds {labels.max()} objects, but the tables list {len(likely)}: "
                "run 'segment-darkfield predict' again."
            )
        height, width = labels.shape
        record = ImageRecord(
            name=row["image"],
            folder=row["folder"],
            group=group,
            picture=PICTURE.format(number),
            width=width,
            height=height,
            pixel_size_um=plane.acquisition.pixel_size_um,
            cells=int(_number(path, row[cells])) if cells in row else None,
            candidates=candidates_of(labels, likely),
        )
        found.append((record, plane))
    return found


def read_groups(table: Path) -> GroupsOf:
    """Read a table with the columns image and group, and return the function of its groups.

    An image is the one with the longest name in the table with which its path ends, so that images
    with equal file names in several folders can have several groups.

    Raises
    ------
    UserError
        The table is unusable. The function raises it for images that are not in the table, and for
        names of images in several folders.
    """
    rows = read_csv(table, ["image", "group"], "a table with the columns image and group")
    groups: Dict[str, str] = {}
    for row in rows:
        if groups.setdefault(row["image"], row["group"]) != row["group"]:
            raise UserError(f"{table} gives {row['image']} two groups: remove one row.")

    def groups_of(images: Sequence[Row]) -> List[str]:
        folders: Dict[str, str] = {}
        found = []
        for image in images:
            *parts, name = [*folder_parts(image["folder"]), image["image"]]
            ends = ["/".join([*parts[start:], name]) for start in range(len(parts) + 1)]
            end = next((end for end in ends if end in groups), None)
            if end is None:
                raise UserError(f"{table} has no row for {name}: add it with its group.")
            if folders.setdefault(end, image["folder"]) != image["folder"]:
                raise UserError(f"{table} names {end}, of several folders: write {ends[-2]}.")
            found.append(groups[end])
        return found

    return groups_of


def groups_by_folder(images: Sequence[Row]) -> List[str]:
    """Return the name of the folder of each image: see :func:`folder_names`."""
    return folder_names([image["folder"] for image in images])


def _probabilities(path: Path, class_name: str) -> Dict[Tuple[str, str], List[float]]:
    """Return the probabilities of the objects of a class by folder and image."""
    columns = ["image", "folder", "class", "mean_probability", "spirochaete_probability"]
    found: Dict[Tuple[str, str], List[float]] = {}
    for row in read_csv(path, columns, WANTED):
        if row["class"] == class_name:
            likely = row["spirochaete_probability"] or row["mean_probability"]
            found.setdefault((row["folder"], row["image"]), []).append(_number(path, likely))
    return found


def _number(path: Path, text: str) -> float:
    """Return a number of a table; raise UserError if it is not one."""
    with contextlib.suppress(ValueError):
        if math.isfinite(float(text)):
            return float(text)
    raise UserError(f"{path} contains '{text}' in place of a number: give {WANTED}.")


def _plane_of(row: Row) -> Plane:
    """Return the plane of a row of images.csv."""
    path = Path(row["folder"]) / (row.get("file") or row["image"])
    if not path.exists():
        raise UserError(
            f"{path} was moved or removed since it was segmented: put it back, or run "
            "'segment-darkfield predict' again."
        )
    planes = {plane.name: plane for plane in planes_of([path])}
    if row["image"] not in planes:
        raise UserError(f"{path} does not contain {row['image']} any more: segment it again.")
    return planes[row["image"]]
