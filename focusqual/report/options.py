"""Where images and wells are no more fit for use: the options, each declared once."""

from dataclasses import dataclass

from focusqual.levels import LEVELS
from micrograph_networks.options import Checked, option


@dataclass(frozen=True)
class Thresholds(Checked):
    """Where images and wells are no more fit for use.

    Attributes
    ----------
    highest_score : float
        Images of a higher score are out of focus, 0 to 10.
    lowest_certainty : float
        Images of a lower certainty show nothing, 0 to 1.
    largest_share : float
        Wells are left out where a larger share of the images than this, 0 to 1, is not in focus.
    """

    highest_score: float = option(
        1.0,
        "Highest score in focus",
        "Images of a higher score are out of focus.",
        minimum=0,
        maximum=LEVELS - 1,
    )
    lowest_certainty: float = option(
        0.1,
        "Lowest certainty",
        "Images of a lower certainty show nothing.",
        minimum=0,
        maximum=1,
    )
    largest_share: float = option(
        0.5,
        "Largest share of images not in focus",
        "Leave out wells where a larger share of the images is not in focus.",
        minimum=0,
        maximum=1,
    )
