"""What the figure of a segmentation shows: statistics, probabilities and discarded pixels."""

from typing import TYPE_CHECKING, List, Optional, Sequence, Tuple

import numpy as np
from matplotlib.patches import Patch

from segment.classes import BACKGROUND, Color
from segment.inference.label_images import areas
from segment.inference.normalization import to_rgb
from segment.inference.segmentation import ClassObjects, Segmentation, most_probable_classes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DISCARDED_COLOR: Color = (1.0, 1.0, 1.0)
"""Color of the outlines of discarded pixels, which no class has by default."""
STATISTICS = ("Objects", "Area", "Median size", "Probability")
"""Row headings of the table of :func:`statistics`, short because the table is narrow."""


def displayed_image(image: np.ndarray) -> np.ndarray:
    """Return an image as the network sees it, RGB of 0 to 1; black where it is NaN."""
    return np.nan_to_num(to_rgb(image) / 255)


def image_title(name: str, result: Segmentation, lost_color: bool) -> str:
    """Return the name of an image, and in what it differs from the training images."""
    remarks = ["without its colors"] * lost_color
    remarks += ["unlike the training images"] * (result.dissimilarity > 1)
    return f"{name} ({', '.join(remarks)})" if remarks else name


def statistics(found: ClassObjects, mask: Optional[np.ndarray]) -> Tuple[str, ...]:
    """Return the column of the table that describes the objects of a class.

    Parameters
    ----------
    found : ClassObjects
    mask : ndarray of bool, (height, width), or None
        True where the image counts; None means everywhere.

    Returns
    -------
    tuple of str
        A value for each of STATISTICS: number of objects, share of the area, median diameter or
        length, and mean probability. The last two are empty if there is no object.
    """
    count = found.means.size
    pixels = found.labels.size if mask is None else np.count_nonzero(mask)
    covered = _percent(np.count_nonzero(found.labels) / max(pixels, 1))
    if not count:
        return "0", covered, "", ""
    sizes, unit = _sizes(found)
    return str(count), covered, f"{np.median(sizes):.0f} {unit}", f"{found.means.mean():.2f}"


def _sizes(found: ClassObjects) -> Tuple[np.ndarray, str]:
    """Return the diameters of cells or the lengths of filaments, float (objects,), and the unit."""
    if found.lengths is None:
        return 2 * np.sqrt(areas(found.labels) / np.pi), "px wide"
    return found.lengths, "px long"


def descriptions(name: str, found: ClassObjects) -> List[str]:
    """Return the number, class, probability and size of each object.

    Parameters
    ----------
    name : str
        Name of the objects.
    found : ClassObjects
    """
    sizes, unit = _sizes(found)
    return [
        f"{name} {number}\n{found.pixel_class.name}, probability {mean:.2f}\n{size:.0f} {unit}"
        for number, (mean, size) in enumerate(zip(found.means, sizes), 1)
    ]


def describe_object(
    axes: "Axes",
    labels: Sequence[np.ndarray],
    texts: Sequence[Sequence[str]],
    point: Optional[Tuple[float, float]],
) -> None:
    """Write the description of the object at a point beside it, and remove an earlier one.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    labels : sequence of ndarray of int, (height, width)
        Label image of each class.
    texts : sequence of sequence of str
        Description of each object of each class.
    point : (float, float) or None
        x and y in pixels.
    """
    for text in list(axes.texts):
        text.remove()
    if point is None:
        return
    height, width = labels[0].shape
    row, col = int(point[1] + 0.5), int(point[0] + 0.5)
    for numbers, described in zip(labels, texts):
        if 0 <= row < height and 0 <= col < width and numbers[row, col]:
            box = {"facecolor": "white", "alpha": 0.8, "edgecolor": "gray"}
            style = {"fontsize": 8, "bbox": box, "clip_on": True, "va": "bottom"}
            axes.text(*point, described[numbers[row, col] - 1], **style)


def _percent(share: float) -> str:
    """Format a share with one decimal, or with two digits if it is below 1 per cent."""
    percent = 100 * share
    return f"{percent:.1f} %" if percent >= 1 else f"{percent:.2g} %"


def probability_picture(found: Sequence[ClassObjects]) -> np.ndarray:
    """Show the probabilities of classes, each in its color: RGB of 0 to 1."""
    picture = np.zeros((*found[0].labels.shape, 3), dtype=np.float32)
    for one in found:
        picture += one.probability[..., None] * np.array(one.pixel_class.color, np.float32)
    return np.minimum(picture, 1)


def discarded(result: Segmentation, found: Sequence[ClassObjects], threshold: float) -> np.ndarray:
    """Return the pixels of classes that form no object, since it was small or at the border.

    Parameters
    ----------
    result : Segmentation
    found : sequence of ClassObjects
        Objects of the classes that are shown.
    threshold : float
        Probability threshold of :class:`segment.SegmentationOptions`.

    Returns
    -------
    ndarray of uint8, (height, width)
        1 where pixels were discarded, 0 elsewhere.
    """
    classes = most_probable_classes(result.probabilities, threshold)
    shown = np.isin(classes, [one.class_index for one in found])
    return (shown & (result.classes == BACKGROUND)).astype(np.uint8)


def draw_legend(axes: "Axes", names: Sequence[str], colors: Sequence[Color]) -> None:
    """Draw the legend of outlines and probabilities in empty axes.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    names : sequence of str
        Names of the objects of each class.
    colors : sequence of tuple of float
        RGB colors of each class, 0 to 1.
    """
    axes.axis("off")
    # The gray edge shows DISCARDED_COLOR on white.
    patches = [Patch(facecolor=one, edgecolor="gray") for one in (*colors, DISCARDED_COLOR)]
    style = {"fontsize": 8, "labelspacing": 0.3, "borderaxespad": 0, "frameon": False}
    axes.legend(patches, [*names, "Discarded"], loc="upper left", **style)
