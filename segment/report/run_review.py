"""Review pages of a run of CellProfiler. Its processes leave pictures and records for the last one.

Only what CellProfiler's application contains: NumPy, SciPy, scikit-image and Pillow.
"""

import json
from pathlib import Path
from typing import Dict, Iterable, List, Mapping, NamedTuple, Optional, Tuple

import numpy as np

from micrograph_networks.errors import UserError
from micrograph_networks.files.ownership import check_replaceable
from micrograph_networks.files.writing import atomic_write, output_folder
from segment.classes import BLOOD_CELL, CLASSES
from segment.inference.segmentation import ClassObjects, Segmentation
from segment.report.records import ImageRecord, candidates_of, write_picture
from segment.report.review import write_review
from segment.report.slides import folder_names, summarize, write_groups


class ReviewFiles(NamedTuple):
    """Names of the files of all review pages of a run.

    Attributes
    ----------
    folder : Path
    name : str
        Start of the names of all files.
    """

    folder: Path
    name: str

    def picture(self, number: int) -> Path:
        """Return the path of the picture of an image set."""
        return self.folder / f"{self.name}_{number:05}.jpg"

    def records(self, number: int) -> Path:
        """Return the path of the records of an image set, which exist during the run."""
        return self.folder / f"{self.name}_{number:05}.json"

    def results(self, objects: str, suffix: str = "") -> Tuple[Path, Path]:
        """Return the paths of the page and the table of some objects.

        Parameters
        ----------
        objects : str
            CellProfiler's name of the objects.
        suffix : str
            End of the names; not empty if they cover a part of the run.
        """
        start = f"{self.name}_{objects}{suffix}"
        return self.folder / f"{start}.html", self.folder / f"{start}_groups.csv"


class Origin(NamedTuple):
    """Number and file of an image set.

    Attributes
    ----------
    number : int
        Number of the image set.
    name, folder : str or None
        Name of its image and its folder, None if unknown.
    """

    number: int
    name: Optional[str]
    folder: Optional[str]


def keep_image(
    files: ReviewFiles,
    origin: Origin,
    image: np.ndarray,
    found: Mapping[str, ClassObjects],
    segmentation: Segmentation,
) -> None:
    """Write the picture of an image and the records for the pages of its objects.

    Parameters
    ----------
    files : ReviewFiles
    origin : Origin
    image : ndarray, (height, width) or (height, width, channels)
    found : mapping of str to ClassObjects
        Objects by CellProfiler's names of them.
    segmentation : Segmentation
        Result of which they are a part.

    Raises
    ------
    UserError
        A file cannot be written.
    """
    number, name, folder = origin
    output_folder(files.folder)
    picture = files.picture(number)
    write_picture(picture, image)
    cells = [
        len(one.means)
        for one in segmentation.by_class
        if one.pixel_class.name == CLASSES[BLOOD_CELL]
    ]
    height, width = image.shape[:2]
    records = {
        objects: ImageRecord(
            name=name or f"image set {number}",
            folder=folder or "",
            group="",  # known when all folders are
            picture=picture.name,
            width=width,
            height=height,
            pixel_size_um=None,
            cells=cells[0] if cells else None,
            candidates=candidates_of(one.labels, _likely(one)),
        ).to_json()
        for objects, one in found.items()
    }
    with atomic_write(files.records(number)) as temporary:
        temporary.write_text(json.dumps(records), encoding="utf-8")


def write_run_reviews(
    files: ReviewFiles,
    numbers: Iterable[int],
    classes: Mapping[str, str],
    suffix: str = "",
    note: str = "",
) -> List[Path]:
    """Write the pages and the tables of groups, and remove the records.

    Parameters
    ----------
    files : ReviewFiles
    numbers : iterable of int
        Numbers of the image sets that were segmented.
    classes : mapping of str to str
        Names of the classes by CellProfiler's names of their objects.
    suffix, note : str
        End of the names of pages and tables, and a sentence for the top of the pages.

    Returns
    -------
    list of Path
        Paths of the pages.

    Raises
    ------
    UserError
        No image was segmented, or a file cannot be written or belongs to someone else.
    """
    kept = [path for path in map(files.records, numbers) if path.exists()]
    if not kept:
        raise UserError(f"No image was segmented: there is nothing to review in {files.folder}.")
    images: List[Dict[str, Dict]] = [json.loads(path.read_text(encoding="utf-8")) for path in kept]
    groups = folder_names([image[next(iter(classes))]["folder"] for image in images])
    pages = []
    for objects, class_name in classes.items():
        records = [
            ImageRecord.from_json({**image[objects], "group": group})
            for image, group in zip(images, groups)
        ]
        page, table = paths = files.results(objects, suffix)
        check_replaceable(paths)
        write_review(page, records, class_name, objects, {}, note)
        write_groups(table, summarize(records, {}))
        pages.append(page)
    for path in kept:
        path.unlink()
    return pages


def _likely(found: ClassObjects) -> np.ndarray:
    """Return the probabilities of spirochaetes, or else the mean probabilities, (objects,)."""
    likely = found.spirochaete_probabilities
    return found.means if likely is None or np.isnan(likely).any() else likely
