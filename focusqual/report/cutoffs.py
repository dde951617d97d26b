"""Cutoffs of the focus that keep a chosen share of good images.

Split conformal prediction (Vovk et al. 2005, Algorithmic Learning in a Random World, chapter 4;
Angelopoulos and Bates 2021, arXiv:2107.07511, theorem D.1): of n values and one further value of
the same kind, the further one exceeds the k-th smallest with a probability of at most
1 - k / (n + 1). Ties only make this less probable.
"""

import math
from pathlib import Path
from typing import Dict, Iterable, List, NamedTuple, Optional, Tuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from focusqual.levels import LEVELS
from focusqual.report.options import Thresholds
from focusqual.report.tables import read_all_channels
from focusqual.report.verdicts import COLORS, IN_FOCUS, OUT_OF_FOCUS, verdicts
from micrograph_networks.errors import UserError, add_path_to_errors
from micrograph_networks.files.tables import csv_table, read_csv
from micrograph_networks.plotting import literal, save_figure

MEASURES = ("score", "expected_level")
"""Measurements that get a cutoff."""
BINS = np.arange(0, LEVELS - 1 + 0.1, 0.1)
"""Expected levels between the bars of cutoffs.png."""


class Cutoff(NamedTuple):
    """Cutoffs of a channel; the attributes are the columns of cutoffs.csv.

    Attributes
    ----------
    channel : str
        Empty if the images have no channel.
    highest_score, highest_expected_level : float
        Images with a higher value are out of focus.
    images : int
        Number of good images.
    lose : float
        Largest share of further good images that each cutoff rejects on average.
    bad_images : int or str
        Number of bad images; empty if there are none.
    bad_rejected_by_score, bad_rejected_by_expected_level : float or str
        Share of the bad images that each cutoff rejects; empty if there are none.
    """

    channel: str
    highest_score: float
    highest_expected_level: float
    images: int
    lose: float
    bad_images: object = ""
    bad_rejected_by_score: object = ""
    bad_rejected_by_expected_level: object = ""


def conformal_cutoff(values: np.ndarray, lose: float) -> np.ndarray:
    """Return the value that further ones exceed with a probability of at most ``lose``.

    It is the k-th smallest, k = ceil((n + 1) (1 - lose)).

    Parameters
    ----------
    values : ndarray, (..., n)
        Values of good images.
    lose : float
        Above 0 and below 1.

    Returns
    -------
    ndarray, (...)

    Raises
    ------
    UserError
        There are too few values, so that k is above n.
    """
    count = values.shape[-1]
    # 0.98 * 50 is 49, which floating-point numbers may exceed.
    rank = math.ceil((count + 1) * (1 - lose) - 1e-9)
    if rank > count:
        needed = math.ceil(1 / lose - 1 - 1e-9)
        raise UserError(
            f"{count} good images are too few to lose at most {lose:.3g} of them: measure at least "
            f"{needed}, or allow a larger loss by --lose."
        )
    return np.sort(values, axis=-1)[..., rank - 1]


def read_shown(table: Path) -> Tuple[pd.DataFrame, int]:
    """Read the images of a table that show something, and the number of the others.

    Raises
    ------
    UserError
        The table cannot be read, or all images are blank or not measured.
    """
    images = read_all_channels(table)
    shown = images[np.isin(verdicts(images, Thresholds()), (IN_FOCUS, OUT_OF_FOCUS))]
    if shown.empty:
        raise UserError(f"All images in {table} are blank: give images that show something.")
    return shown, len(images) - len(shown)


def find_cutoffs(
    good: pd.DataFrame, lose: float, bad: Optional[pd.DataFrame] = None
) -> List[Cutoff]:
    """Find the cutoffs of each channel.

    Parameters
    ----------
    good : DataFrame
        Images that show something in focus; its columns are channel, score and expected_level.
    lose : float
        Largest share of further good images to reject, above 0 and below 1.
    bad : DataFrame, optional
        Images out of focus.

    Raises
    ------
    UserError
        A channel has too few good images, or only bad ones.
    """
    cutoffs = []
    for channel, images in good.groupby("channel"):
        with add_path_to_errors(channel or "All channels"):
            score, level = (conformal_cutoff(images[name].to_numpy(), lose) for name in MEASURES)
        cutoffs.append(Cutoff(channel, float(score), float(level), len(images), lose))
    if bad is None:
        return cutoffs
    unknown = set(bad["channel"]) - {cutoff.channel for cutoff in cutoffs}
    if unknown:
        raise UserError(f"There is no good image of the channel '{min(unknown)}' of the bad ones.")
    return [_rejecting(cutoff, bad[bad["channel"] == cutoff.channel]) for cutoff in cutoffs]


def _rejecting(cutoff: Cutoff, bad: pd.DataFrame) -> Cutoff:
    """Add what the cutoffs reject of the bad images of their channel."""
    if bad.empty:
        return cutoff
    return cutoff._replace(
        bad_images=len(bad),
        bad_rejected_by_score=float((bad["score"] > cutoff.highest_score).mean()),
        bad_rejected_by_expected_level=float(
            (bad["expected_level"] > cutoff.highest_expected_level).mean()
        ),
    )


def write_cutoffs(path: Path, cutoffs: Iterable[Cutoff]) -> None:
    """Write cutoffs.csv with all digits, because a rounded cutoff may reject more images."""
    with csv_table(path, Cutoff._fields) as rows:
        rows.writerows(cutoffs)


def read_cutoffs(path: Path, channels: Iterable[str]) -> Dict[str, float]:
    """Read the highest score of each channel of a plate from cutoffs.csv.

    Cutoffs without a channel hold for all.

    Raises
    ------
    UserError
        The file is no cutoffs.csv, contains a value that is not valid, or lacks a channel.
    """
    rows = read_csv(path, ("channel", "highest_score"), "a cutoffs.csv of 'focusqual threshold'")
    with add_path_to_errors(path):
        scores: Dict[str, float] = {}
        for row in rows:
            score = _score(row["highest_score"])
            if scores.setdefault(row["channel"], score) != score:
                raise UserError(f"It has two cutoffs for the channel '{row['channel']}'.")
        for channel in channels:
            if channel not in scores and "" not in scores:
                wanted = f"the channel '{channel}'" if channel else "images without a channel"
                raise UserError(f"It has no cutoff for {wanted}, only for {', '.join(scores)}.")
    return {channel: scores[channel if channel in scores else ""] for channel in channels}


def _score(text: str) -> float:
    try:
        score = float(text)
    except ValueError:
        score = math.nan
    if not 0 <= score <= LEVELS - 1:
        raise UserError(f"'{text}' is not a score from 0 to {LEVELS - 1}.")
    return score


def draw_cutoffs(
    path: Path, cutoffs: List[Cutoff], good: pd.DataFrame, bad: Optional[pd.DataFrame]
) -> None:
    """Draw the expected levels of good and bad images, and the cutoff, for each channel."""
    figure = Figure(figsize=(6.4, 1 + 2.4 * len(cutoffs)), constrained_layout=True)
    for number, cutoff in enumerate(cutoffs, 1):
        axes = figure.add_subplot(len(cutoffs), 1, number, ylabel="Images")
        for name, images, verdict in (("good", good, IN_FOCUS), ("bad", bad, OUT_OF_FOCUS)):
            if images is not None:
                levels = images["expected_level"][images["channel"] == cutoff.channel]
                axes.hist(levels, BINS, color=COLORS[verdict], alpha=0.6, label=name)
        level = cutoff.highest_expected_level
        axes.axvline(level, color="black", label=f"cutoff {level:.2f}")
        axes.set_title(literal(cutoff.channel))
        axes.legend()
    axes.set_xlabel("Expected level (0 in focus)")
    save_figure(figure, path)
