"""Rate the focus of an image: patches in, level distributions and one score out."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy.special import softmax
from skimage.transform import resize

from focusqual.inference.model import load_model
from focusqual.inference.patches import PATCH_SIZE, normalise, patch_starts
from focusqual.simulation.optics import LEVELS
from micrograph_networks.engines.tensorflow import Pieces
from micrograph_networks.errors import UserError
from micrograph_networks.images.image_files import to_grey
from micrograph_networks.images.masking import mirror_inside, valid_pixels
from micrograph_networks.images.tiling import pad_to

BATCHES = Pieces("batches of {} patches", (256, 64, 16))
AGGREGATIONS = ("weighted", "product")


@dataclass(frozen=True)
class RatingOptions:
    """How to rate and to sum up.

    Attributes
    ----------
    stride : int
        From one patch to the next in pixels of the rescaled image, 1 to 84.
    scale : float
        The image is resized by this factor before it is cut into patches.
    aggregation : str
        ``weighted``: mean of the patches' distributions weighed by their certainty;
        ``product``: normalised product of the distributions.
    uncertain_below : float
        Patches of lower certainty count as uncertain, 0 to 1.
    out_of_focus_from : int
        Patches of this most likely level or higher count as out of focus, 1 to 10.
    """

    stride: int = PATCH_SIZE
    scale: float = 1.0
    aggregation: str = "weighted"
    uncertain_below: float = 0.25
    out_of_focus_from: int = 2

    def __post_init__(self):
        """Raise UserError where a value lies outside of its range."""
        if not 1 <= self.stride <= PATCH_SIZE:
            raise UserError(f"The patch stride must lie in 1 to {PATCH_SIZE}, not {self.stride}.")
        if not 0.01 <= self.scale <= 100:
            raise UserError(f"The rescaling factor must lie in 0.01 to 100, not {self.scale}.")
        if self.aggregation not in AGGREGATIONS:
            raise UserError(f"The aggregation must be weighted or product, not {self.aggregation}.")


@dataclass(frozen=True)
class FocusRating:
    """The focus of an image, patch by patch and as a whole.

    Attributes
    ----------
    boxes : ndarray of int, (rows, cols, 4)
        y, x, height and width of the patches in pixels of the image; together they cover it.
    probabilities : ndarray of float32, (rows, cols, 11)
        Distribution over the defocus levels, 0 in focus; sums to 1.
    counted : ndarray of bool, (rows, cols)
        False for patches that lie mostly outside of the mask; they do not enter the whole.
    options : RatingOptions
    """

    boxes: np.ndarray
    probabilities: np.ndarray
    counted: np.ndarray
    options: RatingOptions = field(default_factory=RatingOptions)

    @cached_property
    def level(self):
        """Most likely level of every patch, int (rows, cols)."""
        return self.probabilities.argmax(axis=-1)

    @cached_property
    def expected_level(self):
        """Mean of every patch's distribution, float (rows, cols), 0 to 10."""
        return expected_level(self.probabilities)

    @cached_property
    def certainty(self):
        """Certainty of every patch, float (rows, cols), 0 to 1."""
        return certainty(self.probabilities)

    @cached_property
    def aggregate(self):
        """Distribution of the whole image, float (11,); NaN where no patch counts."""
        if not self.counted.any():
            return np.full(LEVELS, np.nan)
        probabilities = self.probabilities[self.counted].astype(np.float64)
        if self.options.aggregation == "product":
            return softmax(np.log(np.maximum(probabilities, 1e-12)).sum(axis=0))
        return self._weights @ probabilities

    @cached_property
    def summary(self):
        """Figures of the whole image by name.

        ``score`` is the median of ``aggregate``, the level whose expected distance to the true one
        is the least; ``expected_level`` is its mean and ``certainty`` its certainty;
        ``certainty_mean``, ``certainty_max`` and ``certainty_weighted`` (weighed by itself) are
        those of the patches; ``patches`` is the number of patches that count; ``in_focus``,
        ``out_of_focus`` and ``uncertain`` are fractions of them and sum to 1; ``p0`` to ``p10`` are
        ``aggregate``. All are floats, and NaN where no patch counts, but for ``patches``, an int.
        """
        patches = int(self.counted.sum())
        if patches == 0:
            figures = dict.fromkeys(SUMMARY, float("nan"))
            return {**figures, "patches": 0}
        values = self.certainty[self.counted]
        known = values >= self.options.uncertain_below
        blurred = self.level[self.counted] >= self.options.out_of_focus_from
        figures = (
            np.searchsorted(self.aggregate.cumsum(), 0.5),
            expected_level(self.aggregate),
            certainty(self.aggregate),
            values.mean(),
            values.max(),
            self._weights @ values,
            patches,
            np.mean(known & ~blurred),
            np.mean(known & blurred),
            np.mean(~known),
            *self.aggregate,
        )
        return {**{name: float(v) for name, v in zip(SUMMARY, figures)}, "patches": patches}

    @property
    def _weights(self):
        weights = self.certainty[self.counted].astype(np.float64) + 1e-9
        return weights / weights.sum()


SUMMARY = (
    "score",
    "expected_level",
    "certainty",
    "certainty_mean",
    "certainty_max",
    "certainty_weighted",
    "patches",
    "in_focus",
    "out_of_focus",
    "uncertain",
    *(f"p{level}" for level in range(LEVELS)),
)
"""Names in :attr:`FocusRating.summary`, in the order of the tables."""


def rate_focus(image, mask=None, options=RatingOptions(), weights=None):
    """Rate the focus of an image.

    Parameters
    ----------
    image : ndarray, (height, width) or (height, width, 1 to 4)
        Any bit depth and scaling; colour is brought to grey by its luma. Pixels
        that are NaN or infinite are treated as if they lay outside of the mask.
    mask : ndarray of bool, (height, width), optional
        True where the image is to be rated; everywhere by default. Pixels outside are replaced by
        a mirror image of those inside, so that the mask's outline is not taken for a sharp edge.
    options : RatingOptions
    weights : str or Path, optional
        A weights file; the shipped one by default.

    Returns
    -------
    FocusRating

    Raises
    ------
    UserError
        The image is neither grey nor colour, the mask is of another shape, the weights file does
        not fit, or TensorFlow is missing.
    """
    image = to_grey(image)
    valid = valid_pixels(image, mask)
    image = _within_float32(mirror_inside(image, valid))
    scaled, counted_pixels = image, valid
    if options.scale != 1:
        shape = [max(round(length * options.scale), 1) for length in image.shape]
        scaled = resize(image.astype(np.float32), shape, order=1, anti_aliasing=options.scale < 1)
        counted_pixels = resize(valid.astype(np.float32), shape, order=0) > 0.5
    scaled, counted_pixels = pad_to(scaled, PATCH_SIZE), pad_to(counted_pixels, PATCH_SIZE)
    tops, lefts = patch_starts(scaled.shape, options.stride)
    grid = np.stack(np.meshgrid(tops, lefts, indexing="ij"), axis=-1)
    model, corners = load_model(weights), grid.reshape(-1, 2)
    probabilities = BATCHES.run(lambda size: _predict(scaled, corners, model, size))
    return FocusRating(
        boxes=_boxes(grid, scaled.shape, image.shape, options.scale),
        probabilities=probabilities.reshape(*grid.shape[:2], LEVELS),
        counted=_inside(counted_pixels, tops, lefts),
        options=options,
    )


def certainty(probabilities):
    """1 for one certain level, 0 for a flat distribution: 1 - entropy / ln 11.

    Yang et al. 2018, Assessing microscope image focus quality with deep learning, Methods.

    Parameters
    ----------
    probabilities : ndarray, (..., 11)

    Returns
    -------
    ndarray, (...)
    """
    entropy = -np.sum(probabilities * np.log(np.maximum(probabilities, 1e-12)), axis=-1)
    return np.clip(1 - entropy / np.log(LEVELS), 0, 1)


def expected_level(probabilities):
    """Mean of level distributions, (..., 11) to (...), 0 to 10."""
    return probabilities @ np.arange(LEVELS, dtype=probabilities.dtype)


def _within_float32(image):
    """An image of which float32 holds the squares, too; the network sees no scale."""
    if image.dtype.kind != "f":
        return image
    largest = max(abs(image.max()), abs(image.min()))
    return image if largest == 0 or 1e-15 < largest < 1e15 else image / largest


def _predict(image, corners, model, batch_size):
    """Distributions of the patches at corners (n, 2), float32 (n, 11); constant ones are flat."""
    windows = np.lib.stride_tricks.sliding_window_view(image, (PATCH_SIZE, PATCH_SIZE))
    probabilities = np.empty((len(corners), LEVELS), dtype=np.float32)
    for start in range(0, len(corners), batch_size):
        batch = slice(start, start + batch_size)
        patches = normalise(windows[tuple(corners[batch].T)])
        probabilities[batch] = model(patches)
        probabilities[batch][~patches.any(axis=(1, 2))] = 1 / LEVELS
    return probabilities


def _boxes(grid, padded_shape, shape, scale):
    """Patches in pixels of the image: y, x, height, width, clipped to it."""
    limits = np.array(shape)
    top_left = np.minimum(np.rint(grid / scale).astype(int), limits - 1)
    bottom_right = np.rint((grid + PATCH_SIZE) / scale).astype(int)
    # Rounding must not leave out the last rows and columns.
    bottom_right = np.where(grid + PATCH_SIZE >= padded_shape, limits, bottom_right)
    return np.concatenate([top_left, np.minimum(bottom_right, limits) - top_left], axis=-1)


def _inside(valid, tops, lefts):
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
