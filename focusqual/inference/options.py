"""How images are rated: the options, each declared once."""

from dataclasses import dataclass

from focusqual.inference.patches import PATCH_SIZE
from focusqual.levels import LEVELS
from micrograph_networks.options import Checked, option


@dataclass(frozen=True)
class RatingOptions(Checked):
    """How to rate and to sum up.

    Attributes
    ----------
    stride : int
        From one patch to the next in pixels of the rescaled image, 1 to 84.
    scale : float
        The image is resized by this factor before it is cut into patches, 0.01 to 100.
    aggregation : str
        ``weighted``: mean of the patches' distributions weighed by their certainty;
        ``product``: normalised product of the distributions.
    uncertain_below : float
        Patches of lower certainty count as uncertain, 0 to 1.
    out_of_focus_from : int
        Patches of this most likely level or higher count as out of focus, 1 to 10.
    """

    stride: int = option(
        PATCH_SIZE,
        "Patch stride",
        "Pixels from one patch to the next.",
        details=f"""\
With {PATCH_SIZE}, the width of a patch, patches lie side by side. Smaller values let them overlap
and give finer maps of the focus, but half the stride takes four times as long. The last row and
column of patches are moved inwards where the image is no multiple of the stride, so that no pixel
is left out.
""",
        minimum=1,
        maximum=PATCH_SIZE,
        unit="pixels",
    )
    scale: float = option(
        1.0,
        "Rescaling factor",
        "Resize images by this factor before they are cut into patches.",
        details="""\
All results are in pixels of the original image.

The focus levels are defined for pixels of 0.65 micrometers, a usual 20x objective without binning.
To get the same levels from images of another magnification, enter their pixel size in micrometers
divided by 0.65, such as 0.5 for 40x with pixels of 0.325 micrometers. With 1, a level stands for
about 3 pixels of blur in the image as it is, whatever its magnification; this is the right choice
if you care for the finest detail that the image could resolve.

Factors above 1 invent no detail: an image that was taken at 10x, enlarged by 2, looks blurred to
the network. Leave the factor at 1 for lower magnifications.
""",
        minimum=0.01,
        maximum=100,
    )
    aggregation: str = option(
        "weighted",
        "How patches make up the image",
        "Mean of the patches' probabilities weighted by their certainty, or their product.",
        details="""\
-  *weighted:* Patches count by their certainty, so that those that show nothing do not count. This
   is right for most uses.
-  *product:* The probabilities of the patches are multiplied, as if each were an independent
   witness of one level. The image's certainty is then near 1 if there are many patches.
""",
        choices=("weighted", "product"),
    )
    uncertain_below: float = option(
        0.25,
        "Certainty below which a patch is uncertain",
        "Patches of a lower certainty count as uncertain.",
        details="""\
They count in *FractionUncertain*, and neither as in focus nor as out of focus. Patches without
cells usually belong here. This setting changes the fractions only, not the score.
""",
        minimum=0,
        maximum=1,
    )
    out_of_focus_from: int = option(
        2,
        "Level from which a patch is out of focus",
        "Certain patches of this most probable level or a higher one count as out of focus.",
        details="""\
They count in *FractionOutOfFocus*, other certain ones in *FractionInFocus*. This setting changes
the fractions only, not the score.
""",
        minimum=1,
        maximum=LEVELS - 1,
    )
