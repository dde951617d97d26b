"""What may be wrong with an image before it is rated."""

from pathlib import Path
from typing import List

import numpy as np

from focusqual.inference.patches import PATCH_SIZE
from micrograph_networks.errors import UserError
from micrograph_networks.images.image_files import read_grey

SATURATED_SHARE = 0.01
"""Of the pixels at the highest grey level, from which an image is held to be saturated."""


def faults(path: Path) -> List[str]:
    """Find out why an image cannot be rated, or not well.

    Parameters
    ----------
    path : Path

    Returns
    -------
    list of str
        One sentence a fault that names the file; empty for an image in order.
    """
    try:
        image = read_grey(path)
    except UserError as error:
        return [str(error)]
    found = []
    if min(image.shape) < PATCH_SIZE:
        height, width = image.shape
        found.append(f"{width}x{height} pixels are less than a patch of {PATCH_SIZE}x{PATCH_SIZE}.")
    finite = np.isfinite(image)
    if not finite.all():
        found.append(f"{np.mean(~finite):.1%} of the pixels are NaN or infinite.")
    elif image.min() == image.max():
        found.append(f"every pixel is {image.min()}.")
    elif np.mean(image == image.max()) > SATURATED_SHARE:
        found.append(f"{np.mean(image == image.max()):.1%} of the pixels are saturated.")
    return [f"{path}: {fault}" for fault in found]
