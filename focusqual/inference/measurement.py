"""Focus measurement: level distributions of the patches and of the whole image."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Dict, Tuple, Union

import numpy as np
from scipy.special import entr, softmax

from focusqual.inference.options import FocusOptions
from focusqual.levels import LEVELS

PROBABILITIES = tuple(f"p{level}" for level in range(LEVELS))
"""Names of the probabilities of the levels in tables."""
DEFOCUS = "expected_defocus_um"
"""Name of the expected level in micrometers, which is known only with the optics."""


@dataclass(frozen=True)
class FocusMeasurement:
    """The focus of an image, patch by patch and as a whole.

    Attributes
    ----------
    boxes : ndarray of int, (rows, cols, 4)
        y, x, height and width of the patches in pixels of the image; together they cover it.
    probabilities : ndarray of float32, (rows, cols, 11)
        Distribution over the defocus levels for each patch; sums to 1. The less of a patch the
        image fills, the more uniform it is: see :func:`focusqual.measure_focus`.
    counted : ndarray of bool, (rows, cols)
        False for patches that are mostly outside of the mask; they do not affect the whole image.
    options : FocusOptions
    """

    boxes: np.ndarray
    probabilities: np.ndarray
    counted: np.ndarray
    options: FocusOptions = field(default_factory=FocusOptions)

    @cached_property
    def level(self) -> np.ndarray:
        """Most likely level of each patch, int (rows, cols)."""
        return self.probabilities.argmax(axis=-1)

    @cached_property
    def expected_level(self) -> np.ndarray:
        """Mean of the distribution of each patch, float (rows, cols), 0 to 10."""
        return expected_level(self.probabilities)

    @cached_property
    def certainty(self) -> np.ndarray:
        """Certainty of each patch, float (rows, cols), 0 to 1."""
        return certainty(self.probabilities)

    @cached_property
    def aggregate(self) -> np.ndarray:
        """Distribution of the whole image, float (11,); NaN if no patch counts or one is NaN."""
        if not self.counted.any():
            return np.full(LEVELS, np.nan)
        probabilities = self.probabilities[self.counted].astype(np.float64)
        if self.options.aggregation == "product":
            return softmax(np.log(np.maximum(probabilities, 1e-12)).sum(axis=0))
        return self._weights @ probabilities

    @cached_property
    def summary(self) -> Dict[str, Union[float, int]]:
        """Measurements of the whole image, by name.

        - ``score``: median of ``aggregate``, which minimizes the expected distance to the true
          level.
        - ``expected_level``: mean of ``aggregate``.
        - ``certainty``: certainty of ``aggregate``.
        - ``certainty_mean``, ``certainty_max``, ``certainty_weighted_mean``: mean, maximum, and
          mean weighted by itself, of the certainties of the patches.
        - ``patches``: number of patches that count, an int; all others are floats, and NaN if it
          is 0.
        - ``fraction_in_focus``, ``fraction_out_of_focus``, ``fraction_uncertain``: fractions of the
          patches; sum to 1.
        - ``p0`` to ``p10``: probabilities of ``aggregate``.
        - ``expected_defocus_um``, only if the options specify the optics: ``expected_level`` in
          micrometers, to either side of the focus.
        """
        if np.isnan(self.aggregate).any():
            names = summary_names(self.options.optics is not None)
            return {**dict.fromkeys(names, float("nan")), "patches": int(self.counted.sum())}
        certainties = self.certainty[self.counted]
        known = certainties >= self.options.uncertain_below
        blurred = self.level[self.counted] >= self.options.out_of_focus_from
        level = float(expected_level(self.aggregate))
        defocus = {DEFOCUS: level * self.options.level_depth} if self.options.optics else {}
        return {
            "score": float(np.searchsorted(self.aggregate.cumsum(), 0.5)),
            "expected_level": level,
            "certainty": float(certainty(self.aggregate)),
            "certainty_mean": float(certainties.mean()),
            "certainty_max": float(certainties.max()),
            "certainty_weighted_mean": float(self._weights @ certainties),
            "patches": certainties.size,
            "fraction_in_focus": float(np.mean(known & ~blurred)),
            "fraction_out_of_focus": float(np.mean(known & blurred)),
            "fraction_uncertain": float(np.mean(~known)),
            **dict(zip(PROBABILITIES, self.aggregate.tolist())),
            **defocus,
        }

    def patch_table(self) -> Dict[str, np.ndarray]:
        """Return the measurements of the patches by name, floats (patches,) in row-major order.

        ``level``, ``expected_level``, ``certainty``, and ``p0`` to ``p10``; NaN for patches that
        do not count.
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
    def _weights(self) -> np.ndarray:
        """Weights of the patches that count, proportional to their certainties; sum to 1."""
        certainties = self.certainty[self.counted].astype(np.float64) + 1e-9
        return certainties / certainties.sum()


def certainty(probabilities: np.ndarray) -> np.ndarray:
    """Return 1 for a single certain level, 0 for a flat distribution: 1 - entropy / ln 11.

    Yang et al. 2018, Assessing microscope image focus quality with deep learning, Methods.

    Parameters
    ----------
    probabilities : ndarray, (..., 11)

    Returns
    -------
    ndarray, (...)
    """
    return np.clip(1 - entr(probabilities).sum(axis=-1) / np.log(LEVELS), 0, 1)


def expected_level(probabilities: np.ndarray) -> np.ndarray:
    """Return the means of level distributions, (..., 11) to (...), 0 to 10."""
    return probabilities @ np.arange(LEVELS, dtype=probabilities.dtype)


_EXAMPLE = FocusMeasurement(
    np.zeros((1, 1, 4), int), np.full((1, 1, LEVELS), 1 / LEVELS), np.ones((1, 1), bool)
)
SUMMARY = tuple(_EXAMPLE.summary)
"""Names in :attr:`FocusMeasurement.summary` if the options specify no optics."""
PATCH_TABLE = tuple(_EXAMPLE.patch_table())
"""Names in :meth:`FocusMeasurement.patch_table`, in the order of the tables."""


def summary_names(has_optics: bool) -> Tuple[str, ...]:
    """Return the names in :attr:`FocusMeasurement.summary`, in the order of the tables."""
    return (*SUMMARY, DEFOCUS) if has_optics else SUMMARY
