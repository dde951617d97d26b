"""What a measurement says: level distributions of patches, and of the whole image."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Dict, Union

import numpy as np
from scipy.special import softmax

from focusqual.inference.options import FocusOptions
from focusqual.levels import LEVELS

PROBABILITIES = tuple(f"p{level}" for level in range(LEVELS))
"""Names of the levels' probabilities in tables."""


@dataclass(frozen=True)
class FocusMeasurement:
    """The focus of an image, patch by patch and as a whole.

    Attributes
    ----------
    boxes : ndarray of int, (rows, cols, 4)
        y, x, height and width of the patches in pixels of the image; together they cover it.
    probabilities : ndarray of float32, (rows, cols, 11)
        Distribution over the defocus levels, 0 in focus; sums to 1.
    counted : ndarray of bool, (rows, cols)
        False for patches that lie mostly outside of the mask; they do not enter the whole.
    options : FocusOptions
    """

    boxes: np.ndarray
    probabilities: np.ndarray
    counted: np.ndarray
    options: FocusOptions = field(default_factory=FocusOptions)

    @cached_property
    def level(self) -> np.ndarray:
        """Most likely level of every patch, int (rows, cols)."""
        return self.probabilities.argmax(axis=-1)

    @cached_property
    def expected_level(self) -> np.ndarray:
        """Mean of every patch's distribution, float (rows, cols), 0 to 10."""
        return expected_level(self.probabilities)

    @cached_property
    def certainty(self) -> np.ndarray:
        """Certainty of every patch, float (rows, cols), 0 to 1."""
        return certainty(self.probabilities)

    @cached_property
    def aggregate(self) -> np.ndarray:
        """Distribution of the whole image, float (11,); NaN where no patch counts."""
        if not self.counted.any():
            return np.full(LEVELS, np.nan)
        probabilities = self.probabilities[self.counted].astype(np.float64)
        if self.options.aggregation == "product":
            return softmax(np.log(np.maximum(probabilities, 1e-12)).sum(axis=0))
        return self._shares @ probabilities

    @cached_property
    def summary(self) -> Dict[str, Union[float, int]]:
        """What the measurement says of the whole image, by name.

        ``score`` is the median of ``aggregate``, the level whose expected distance to the true one
        is the least; ``expected_level`` is its mean and ``certainty`` its certainty;
        ``certainty_mean``, ``certainty_max`` and ``certainty_weighted`` (weighed by itself) are
        those of the patches; ``patches`` is the number of patches that count; ``in_focus``,
        ``out_of_focus`` and ``uncertain`` are fractions of them and sum to 1; ``p0`` to ``p10`` are
        ``aggregate``; ``expected_defocus_um`` is ``expected_level`` in micrometers, to either side,
        NaN where the options tell no objective. All are floats, and NaN where no patch counts, but
        for ``patches``, an int.
        """
        patches = int(self.counted.sum())
        if patches == 0:
            return {**dict.fromkeys(SUMMARY, float("nan")), "patches": 0}
        values = self.certainty[self.counted]
        known = values >= self.options.uncertain_below
        blurred = self.level[self.counted] >= self.options.out_of_focus_from
        found = (
            np.searchsorted(self.aggregate.cumsum(), 0.5),
            expected_level(self.aggregate),
            certainty(self.aggregate),
            values.mean(),
            values.max(),
            self._shares @ values,
            patches,
            np.mean(known & ~blurred),
            np.mean(known & blurred),
            np.mean(~known),
            *self.aggregate,
            expected_level(self.aggregate) * self.options.level_depth,
        )
        return {**{name: float(v) for name, v in zip(SUMMARY, found)}, "patches": patches}

    def patch_table(self) -> Dict[str, np.ndarray]:
        """Columns of a table of the patches, row by row of their grid.

        ``level``, ``expected_level``, ``certainty``, and ``p0`` to ``p10``: floats (patches,), NaN
        for patches that do not count.
        """
        columns = {
            "level": self.level,
            "expected_level": self.expected_level,
            "certainty": self.certainty,
            **dict(zip(PROBABILITIES, np.moveaxis(self.probabilities, -1, 0))),
        }
        return {
            name: np.where(self.counted, values, np.nan).ravel() for name, values in columns.items()
        }

    @property
    def _shares(self) -> np.ndarray:
        """With which the patches that count enter the whole image."""
        known = self.certainty[self.counted].astype(np.float64) + 1e-9
        return known / known.sum()


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
    *PROBABILITIES,
    "expected_defocus_um",
)
"""Names in :attr:`FocusMeasurement.summary`, in the order of the tables."""


def certainty(probabilities: np.ndarray) -> np.ndarray:
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


def expected_level(probabilities: np.ndarray) -> np.ndarray:
    """Mean of level distributions, (..., 11) to (...), 0 to 10."""
    return probabilities @ np.arange(LEVELS, dtype=probabilities.dtype)
