"""What the figure of a segmentation shows: statistics, probabilities and discarded pixels."""

from typing import TYPE_CHECKING, Optional, Sequence, Tuple

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
    sizes = areas(found.labels)
    pixels = found.labels.size if mask is None else np.count_nonzero(mask)
    covered = _percent(sizes.sum() / max(pixels, 1))
    if not sizes.size:
        return "0", covered, "", ""
    if found.lengths is None:
        size = f"{2 * np.sqrt(np.median(sizes) / np.pi):.0f} px wide"
    else:
        size = f"{np.median(found.lengths):.0f} px long"
    return str(sizes.size), covered, size, f"{found.means.mean():.2f}"


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
