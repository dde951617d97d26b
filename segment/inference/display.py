"""What a figure shows of a segmentation: statistics, probabilities and objects."""

from typing import TYPE_CHECKING, Any, Dict, Optional, Sequence, Tuple

import numpy as np
from matplotlib.patches import Patch

from segment.classes import BACKGROUND
from segment.inference import objects
from segment.inference.normalization import to_rgb
from segment.inference.segmentation import ClassObjects, Segmentation, most_probable_classes

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

STATISTICS = ("Objects", "Area", "Median size", "Probability")
"""Of the objects of a class, in the order of the table, which is narrow."""


def displayed_image(image: np.ndarray) -> np.ndarray:
    """An image as the network saw it.

    Parameters
    ----------
    image : ndarray, (height, width) or (height, width, 1 to 4)
        As :func:`segment.inference.normalization.to_rgb` takes it.

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
    covered = _percent(areas.sum() / max(pixels, 1))
    if not areas.size:
        return "0", covered, "", ""
    size = f"{2 * np.sqrt(np.median(areas) / np.pi):.0f} px wide"
    if found.lengths is not None:
        size = f"{np.median(found.lengths):.0f} px long"
    return str(areas.size), covered, size, f"{found.means.mean():.2f}"


def _percent(share: float) -> str:
    """With one decimal or, below 1 %, two digits: a thin object covers little, but not nothing."""
    percent = 100 * share
    return f"{percent:.1f} %" if percent >= 1 else f"{percent:.2g} %"


def probability_picture(found: Sequence[ClassObjects]) -> np.ndarray:
    """Show the probabilities of classes as one picture, each in its color.

    Parameters
    ----------
    found : sequence of ClassObjects

    Returns
    -------
    ndarray of float32, (height, width, 3)
        RGB, 0 to 1.
    """
    colors = [np.array(one.described.color, dtype=np.float32) for one in found]
    picture = sum(one.probability[..., None] * color for one, color in zip(found, colors))
    return np.minimum(picture, 1)


def left_out(result: Segmentation, found: Sequence[ClassObjects], threshold: float) -> np.ndarray:
    """Pixels of classes that became no objects: too small ones, and those at the border.

    Parameters
    ----------
    result : Segmentation
    found : sequence of ClassObjects
        Those of the classes that matter.
    threshold : float
        As in :class:`segment.SegmentationOptions`.

    Returns
    -------
    ndarray of uint8, (height, width)
        1 where pixels were left out, 0 elsewhere.
    """
    classes = most_probable_classes(result.probabilities, threshold)
    shown = np.isin(classes, [one.class_index for one in found])
    return (shown & (result.classes == BACKGROUND)).astype(np.uint8)


def draw_legends(
    axes: "Axes",
    outlines: Sequence["Artist"],
    names: Sequence[str],
    colors: Sequence[Tuple[float, float, float]],
) -> None:
    """Say what outlines and colors mean, in axes that show nothing else.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    outlines : sequence of matplotlib.artist.Artist
        Those of the classes' objects, and last those of what was left out.
    names : sequence of str
        Of the classes' objects.
    colors : sequence of tuple of float
        RGB of the classes' probabilities, 0 to 1.
    """
    axes.axis("off")
    patches = [Patch(color=color) for color in colors]
    style: Dict[str, Any] = {"fontsize": 8, "title_fontsize": 8, "labelspacing": 0.3}
    style.update(loc="upper left", borderaxespad=0, frameon=False)
    lines = axes.legend(outlines, [*names, "Left out"], title="Outlines", **style)
    axes.legend(patches, names, title="Probabilities", bbox_to_anchor=(0.5, 1), **style)
    axes.add_artist(lines)
