"""Images and the objects in them that a person reviews, and pictures of the images."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image
from scipy import ndimage
from skimage.measure import approximate_polygon, find_contours

from micrograph_networks.files.writing import atomic_write
from segment.inference.normalization import to_rgb

LARGEST_PICTURE = 4096
"""Longest side of a picture in pixels; larger images are reduced."""
QUALITY = 90
"""Quality of the JPEG files."""
ROUGHNESS = 0.5
"""Largest distance in pixels between an outline and the polygon that is drawn."""


@dataclass(frozen=True)
class Candidate:
    """An object that a person reviews.

    Attributes
    ----------
    number : int
        Number of the object in its label image.
    probability : float
        Probability of a spirochaete, or the mean probability of the class, 0 to 1.
    x, y : float
        Center of its bounding box in pixels.
    outline : list of list of int
        Polygons, each x, y, x, y, ... in pixels.
    """

    number: int
    probability: float
    x: float
    y: float
    outline: List[List[int]]


@dataclass(frozen=True)
class ImageRecord:
    """An image of a review, with or without objects.

    Attributes
    ----------
    name, folder : str
        Name of the image in tables, and its folder.
    group : str
        Slide, patient or well.
    picture : str
        Name of its picture beside the page.
    width, height : int
        Size of the image in pixels.
    pixel_size_um : float or None
        Width of a pixel in micrometers, None if unknown.
    cells : int or None
        Number of its blood cells, None if the model finds none.
    candidates : tuple of Candidate
    """

    name: str
    folder: str
    group: str
    picture: str
    width: int
    height: int
    pixel_size_um: Optional[float]
    cells: Optional[int]
    candidates: Tuple[Candidate, ...]

    def to_json(self) -> Dict[str, Any]:
        """Return the record as JSON values."""
        return asdict(self)

    @staticmethod
    def from_json(values: Dict[str, Any]) -> "ImageRecord":
        """Return the record of the JSON values of :meth:`to_json`."""
        candidates = tuple(Candidate(**one) for one in values["candidates"])
        return ImageRecord(**{**values, "candidates": candidates})


def candidates_of(labels: np.ndarray, probabilities: ArrayLike) -> Tuple[Candidate, ...]:
    """Describe the objects of a label image.

    Parameters
    ----------
    labels : ndarray of int, (height, width)
    probabilities : array_like of float, (objects,)
        Probability of each object, 0 to 1.
    """
    found = []
    objects = zip(ndimage.find_objects(labels), np.asarray(probabilities))
    for number, ((rows, columns), probability) in enumerate(objects, 1):
        region = np.pad(labels[rows, columns] == number, 1)
        outline = []
        for contour in find_contours(region, 0.5):
            corners = approximate_polygon(contour, ROUGHNESS)
            # The padding adds a pixel, and the center of the first pixel is at half a pixel.
            points = corners[:, ::-1] + [columns.start - 0.5, rows.start - 0.5]
            outline.append(np.rint(points).astype(int).ravel().tolist())
        x, y = (columns.start + columns.stop) / 2, (rows.start + rows.stop) / 2
        found.append(Candidate(number, round(float(probability), 4), x, y, outline))
    return tuple(found)


def write_picture(path: Path, image: np.ndarray) -> None:
    """Write an image of any exposure and bit depth as JPEG, reduced if it is large.

    Parameters
    ----------
    path : Path
    image : ndarray, (height, width) or (height, width, 1 to 4)
    """
    step = math.ceil(max(image.shape[:2]) / LARGEST_PICTURE)
    pixels = np.nan_to_num(to_rgb(image)).astype(np.uint8)
    with atomic_write(path) as temporary:
        Image.fromarray(pixels).reduce(step).save(temporary, "JPEG", quality=QUALITY)
