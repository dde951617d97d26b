"""Options of a report: thresholds for images and wells."""

from dataclasses import dataclass, field
from typing import Mapping

from focusqual.levels import LEVELS
from micrograph_networks.options import Checked, option


@dataclass(frozen=True)
class Thresholds(Checked):
    """Thresholds that decide which images and wells are usable.

    Attributes
    ----------
    highest_score : float
        Score above which an image is out of focus, 0 to 10.
    lowest_certainty : float
        Certainty below which an image is blank, 0 to 1.
    largest_share : float
        Share of images not in focus above which a well is excluded, 0 to 1.
    highest_scores : mapping of str to float
        Highest score in focus by channel, in place of ``highest_score``; empty by default.
    """

    highest_score: float = option(
        1.0,
        "Highest score in focus",
        "Images with a higher score are out of focus.",
        minimum=0,
        maximum=LEVELS - 1,
    )
    lowest_certainty: float = option(
        0.1,
        "Lowest certainty",
        "Images with a lower certainty are blank.",
        minimum=0,
        maximum=1,
    )
    largest_share: float = option(
        0.5,
        "Largest share of images not in focus",
        "Exclude wells with a larger share of images that are not in focus.",
        minimum=0,
        maximum=1,
    )
    highest_scores: Mapping[str, float] = field(default_factory=dict)
