"""Faults of images that can be found before they are measured."""

from typing import List

import numpy as np

from focusqual.inference.patches import PATCH_SIZE
from micrograph_networks.errors import UserError, add_path_to_errors
from micrograph_networks.images.gray import to_gray
from micrograph_networks.images.planes import Plane

SATURATED_SHARE = 0.01
"""Share of pixels at the highest gray level above which an image counts as saturated."""


def faults(plane: Plane) -> List[str]:
    """Find the faults because of which an image cannot be measured, or not well.

    Parameters
    ----------
    plane : Plane

    Returns
    -------
    list of str
        One sentence per fault, which names the image; empty if there is none.
    """
    try:
        with add_path_to_errors(plane):
            image = to_gray(plane.read())
    except UserError as error:
        return [str(error)]
    found = []
    if min(image.shape) < PATCH_SIZE:
        height, width = image.shape
        found.append(
            f"{width}x{height} pixels are smaller than a patch of {PATCH_SIZE}x{PATCH_SIZE} "
            "pixels, so the measurement is uncertain."
        )
    finite = np.isfinite(image)
    if not finite.all():
        found.append(f"{np.mean(~finite):.1%} of the pixels are NaN or infinite.")
    elif image.min() == image.max():
        found.append(f"every pixel is {image.min()}.")
    elif np.mean(image == image.max()) > SATURATED_SHARE:
        found.append(f"{np.mean(image == image.max()):.1%} of the pixels are saturated.")
    return [f"{plane}: {fault}" for fault in found]
