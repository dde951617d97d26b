"""Rate the focus of an image: pixels in, a measurement out."""

from typing import Optional, Tuple

import numpy as np

from focusqual.inference.measurement import FocusMeasurement
from focusqual.inference.model import FocusModel
from focusqual.inference.options import FocusOptions
from focusqual.inference.patches import PATCH_SIZE, normalize, patch_starts
from focusqual.levels import LEVELS
from micrograph_networks.engines import InferenceFunction
from micrograph_networks.images.gray import to_gray
from micrograph_networks.images.masking import mirror_inside, valid_pixels
from micrograph_networks.images.tiling import pad_to


def measure_focus(
    image: np.ndarray,
    model: FocusModel,
    mask: Optional[np.ndarray] = None,
    options: FocusOptions = FocusOptions(),
) -> FocusMeasurement:
    """Rate the focus of an image.

    Parameters
    ----------
    image : ndarray, (height, width) or (height, width, 1 to 4)
        Any bit depth and scaling; color is brought to gray by its luma. Pixels that are NaN or
        infinite are treated as if they lay outside of the mask.
    model : FocusModel
        Of :func:`focusqual.load_model`.
    mask : ndarray of bool, (height, width), optional
        True where the image is to be measured; everywhere by default. Pixels outside are replaced by
        a mirror image of those inside, so that the mask's outline is not taken for a sharp edge.
    options : FocusOptions

    Returns
    -------
    FocusMeasurement

    Raises
    ------
    UserError
        The image is neither gray nor color, the mask is of another shape, or the memory does not
        suffice.
    """
    image = to_gray(image)
    valid = valid_pixels(image, mask)
    image = _within_float32(mirror_inside(image, valid))
    scaled, counted_pixels = image, valid
    if options.factor != 1:
        # Its import takes half a second, which most processes do without.
        from skimage.transform import resize

        shape = [max(round(length * options.factor), 1) for length in image.shape]
        scaled = resize(image.astype(np.float32), shape, order=1, anti_aliasing=options.factor < 1)
        counted_pixels = resize(valid.astype(np.float32), shape, order=0) > 0.5
    scaled, counted_pixels = pad_to(scaled, PATCH_SIZE), pad_to(counted_pixels, PATCH_SIZE)
    tops, lefts = patch_starts(scaled.shape, options.stride)
    grid = np.stack(np.meshgrid(tops, lefts, indexing="ij"), axis=-1)
    corners = grid.reshape(-1, 2)
    probabilities = model.batches.run(
        lambda network, size: _predict(scaled, corners, network, size)
    )
    return FocusMeasurement(
        boxes=_boxes(grid, scaled.shape, image.shape, options.factor),
        probabilities=probabilities.reshape(*grid.shape[:2], LEVELS),
        counted=_inside(counted_pixels, tops, lefts),
        options=options,
    )


def _within_float32(image: np.ndarray) -> np.ndarray:
    """An image of which float32 holds the squares, too; the network sees no scale."""
    if image.dtype.kind != "f":
        return image
    largest = max(abs(image.max()), abs(image.min()))
    return image if largest == 0 or 1e-15 < largest < 1e15 else image / largest


def _predict(
    image: np.ndarray, corners: np.ndarray, network: InferenceFunction, batch_size: int
) -> np.ndarray:
    """Distributions of the patches at corners (n, 2), float32 (n, 11); constant ones are flat."""
    windows = np.lib.stride_tricks.sliding_window_view(image, (PATCH_SIZE, PATCH_SIZE))
    probabilities = np.empty((len(corners), LEVELS), dtype=np.float32)
    for start in range(0, len(corners), batch_size):
        batch = slice(start, start + batch_size)
        patches = normalize(windows[tuple(corners[batch].T)])
        probabilities[batch] = network(patches[..., None])
        probabilities[batch][~patches.any(axis=(1, 2))] = 1 / LEVELS
    return probabilities


def _boxes(
    grid: np.ndarray, padded_shape: Tuple[int, ...], shape: Tuple[int, ...], scale: float
) -> np.ndarray:
    """Patches in pixels of the image: y, x, height, width, clipped to it."""
    limits = np.array(shape)
    top_left = np.minimum(np.rint(grid / scale).astype(int), limits - 1)
    bottom_right = np.rint((grid + PATCH_SIZE) / scale).astype(int)
    # Rounding must not leave out the last rows and columns.
    bottom_right = np.where(grid + PATCH_SIZE >= padded_shape, limits, bottom_right)
    # Of an image that was enlarged much, a patch is less than a pixel.
    sizes = np.maximum(np.minimum(bottom_right, limits) - top_left, 1)
    return np.concatenate([top_left, sizes], axis=-1)


def _inside(valid: np.ndarray, tops: np.ndarray, lefts: np.ndarray) -> np.ndarray:
    """Whether at least half of each patch is valid, bool (rows, cols)."""
    if valid.all():
        return np.ones((len(tops), len(lefts)), dtype=bool)
    sums = np.pad(valid, ((1, 0), (1, 0))).cumsum(axis=0, dtype=np.int64).cumsum(axis=1)
    bottoms, rights = tops + PATCH_SIZE, lefts + PATCH_SIZE
    area = (
        sums[np.ix_(bottoms, rights)]
        - sums[np.ix_(tops, rights)]
        - sums[np.ix_(bottoms, lefts)]
        + sums[np.ix_(tops, lefts)]
    )
    return area >= PATCH_SIZE**2 / 2
