"""Measurement of the focus of an image."""

import logging
from typing import Optional

import numpy as np

from focusqual.inference.measurement import FocusMeasurement
from focusqual.inference.model import FocusModel
from focusqual.inference.normalization import normalize
from focusqual.inference.options import FocusOptions
from focusqual.inference.patches import (
    PATCH_SIZE,
    mostly_valid,
    original_boxes,
    patch_corners,
    real_share,
)
from focusqual.levels import LEVELS
from micrograph_networks.engines import InferenceFunction
from micrograph_networks.images.gray import plain_array, to_gray, without_offset
from micrograph_networks.images.masking import mirror_inside, valid_pixels
from micrograph_networks.images.tiling import pad_to

logger = logging.getLogger(__name__)


def measure_focus(
    image: np.ndarray,
    model: FocusModel,
    mask: Optional[np.ndarray] = None,
    options: FocusOptions = FocusOptions(),
) -> FocusMeasurement:
    """Measure the focus of an image.

    An image that is smaller than a patch, after rescaling, is mirrored to fill one. Its
    distributions are mixed with the uniform one: ``s p + (1 - s) / 11``, where s is the share of
    the patch that the image fills, see ``focusqual.inference.patches.real_share``. Patches
    inside of the image keep their distributions. If the network returns NaN, no patch counts, and
    a warning is logged.

    Parameters
    ----------
    image : array_like, (height, width) or (height, width, 1 to 4)
        Gray or color image of any real dtype, byte order and scaling. Color is converted to luma,
        and alpha is ignored; two channels are gray and alpha. Pixels that are NaN or infinite, or
        masked in a masked array of ``numpy.ma``, are treated as outside of the mask.
    model : FocusModel
        Loaded by :func:`focusqual.load_model`.
    mask : ndarray of bool, (height, width), optional
        True where pixels count; everywhere by default. Pixels outside are replaced by a mirror
        image of those inside, so that the outline of the mask is not a sharp edge.
    options : FocusOptions

    Raises
    ------
    UserError
        The image is empty or neither gray nor color, the mask has another shape, or there is not
        enough memory.
    """
    pixels, own_mask = plain_array(image)
    image = to_gray(pixels)
    valid = valid_pixels(image, mask, own_mask)
    scaled = _within_float32(mirror_inside(image, valid))
    if options.factor != 1:
        # This import takes half a second and is rarely needed.
        from skimage.transform import resize

        shape = [max(round(length * options.factor), 1) for length in image.shape]
        scaled = resize(scaled.astype(np.float32), shape, order=1, anti_aliasing=options.factor < 1)
        valid = resize(valid.astype(np.float32), shape, order=0) > 0.5
    share = real_share(scaled.shape)
    scaled, valid = pad_to(scaled, PATCH_SIZE), pad_to(valid, PATCH_SIZE)
    corners = patch_corners(scaled.shape, options.stride)

    def compute(network: InferenceFunction, batch_size: int) -> np.ndarray:
        return _predict(scaled, corners.reshape(-1, 2), network, batch_size)

    probabilities = model.batches.run(compute).reshape(*corners.shape[:2], LEVELS)
    if share < 1:
        probabilities = np.float32(share) * probabilities + np.float32((1 - share) / LEVELS)
    counted = mostly_valid(valid, corners)
    if np.isnan(probabilities).any():
        counted[:] = False
        logger.warning(
            "%s returned NaN, so the image is not measured: check the weights file, or compute "
            "with another engine.",
            model.name,
        )
    return FocusMeasurement(
        boxes=original_boxes(corners, scaled.shape, image.shape, options.factor),
        probabilities=probabilities,
        counted=counted,
        options=options,
    )


def _within_float32(image: np.ndarray) -> np.ndarray:
    """Shift and scale gray levels so that float32 holds their differences and squares."""
    image, _ = without_offset(image)
    if image.dtype.kind != "f":
        if max(int(image.max()), -int(image.min())) <= 2**24:  # float32 holds these integers
            return image
        image = image.astype(np.float64)
    largest = max(abs(image.max()), abs(image.min()))
    return image if largest == 0 or 1e-15 < largest < 1e15 else image / largest


def _predict(
    image: np.ndarray, corners: np.ndarray, network: InferenceFunction, batch_size: int
) -> np.ndarray:
    """Return the distributions of the patches at corners (n, 2), flat for constant patches."""
    windows = np.lib.stride_tricks.sliding_window_view(image, (PATCH_SIZE, PATCH_SIZE))
    probabilities = np.empty((len(corners), LEVELS), dtype=np.float32)
    for start in range(0, len(corners), batch_size):
        batch = slice(start, start + batch_size)
        patches = normalize(windows[tuple(corners[batch].T)])
        probabilities[batch] = network(patches[..., None])
        probabilities[batch][~patches.any(axis=(1, 2))] = 1 / LEVELS
    return probabilities
