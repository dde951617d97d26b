"""What a figure shows of a segmentation: statistics, probabilities and objects."""

from typing import Optional, Sequence, Tuple

import numpy as np

from segment.inference import objects
from segment.inference.normalisation import to_rgb
from segment.inference.segmentation import ClassObjects

STATISTICS = ("Objects", "Area covered", "Median diameter", "Mean probability")
"""Of the objects of a class, in the order of the table."""


def displayed_image(image: np.ndarray) -> np.ndarray:
    """An image as the network saw it.

    Parameters
    ----------
    image : ndarray, (height, width) or (height, width, 1 to 4)
        As :func:`segment.inference.normalisation.to_rgb` takes it.

    Returns
    -------
    ndarray of float32, (height, width, 3)
        RGB, 0 to 1; black where the image is NaN.
    """
    return np.nan_to_num(to_rgb(image) / 255)


def statistics(found: ClassObjects, mask: Optional[np.ndarray]) -> Tuple[str, ...]:
    """What a table says of the objects of a class.

    Parameters
    ----------
    found : ClassObjects
    mask : ndarray of bool, (height, width), or None
        True where the image counts; None: everywhere.

    Returns
    -------
    tuple of str
        For each of STATISTICS; empty where there is no object to say it of.
    """
    areas = objects.areas(found.labels)
    pixels = found.labels.size if mask is None else np.count_nonzero(mask)
    covered = f"{100 * areas.sum() / max(pixels, 1):.1f} %"
    if not areas.size:
        return "0", covered, "", ""
    diameter = 2 * np.sqrt(np.median(areas) / np.pi)
    return str(areas.size), covered, f"{diameter:.1f} pixels", f"{found.means.mean():.2f}"


def probability_picture(found: Sequence[ClassObjects]) -> np.ndarray:
    """Show the probabilities of classes as one picture, each in its colour.

    Parameters
    ----------
    found : sequence of ClassObjects

    Returns
    -------
    ndarray of float32, (height, width, 3)
        RGB, 0 to 1.
    """
    colours = [np.array(one.described.colour, dtype=np.float32) for one in found]
    picture = sum(one.probability[..., None] * colour for one, colour in zip(found, colours))
    return np.minimum(picture, 1)


def joined_labels(found: Sequence[ClassObjects]) -> np.ndarray:
    """One label image of the objects of several classes, which do not overlap.

    Parameters
    ----------
    found : sequence of ClassObjects

    Returns
    -------
    ndarray of int32, (height, width)
        The numbers of the first class are kept, those of the next go on from there.
    """
    joined = np.zeros_like(found[0].labels)
    for one in found:
        joined = np.where(one.labels, one.labels + joined.max(), joined)
    return joined
