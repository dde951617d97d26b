"""How images are measured: the options, each declared once."""

import math
from dataclasses import dataclass
from typing import Optional

from focusqual.inference.objective import STANDARD, Objective
from focusqual.inference.patches import PATCH_SIZE
from focusqual.levels import LEVELS
from micrograph_networks.options import Checked, option

RESCALING = "rescaling"
FACTOR, OBJECTIVE = "factor", "objective"
"""The option of how images are rescaled, and its choices."""


@dataclass(frozen=True)
class FocusOptions(Checked):
    """How to rate and to sum up.

    Attributes
    ----------
    stride : int
        From one patch to the next in pixels of the rescaled image, 1 to 84.
    scale : float
        The image is resized by this factor before it is cut into patches, 0.01 to 100.
    aggregation : str
        ``weighted``: mean of the patches' distributions weighed by their certainty;
        ``product``: normalized product of the distributions.
    uncertain_below : float
        Patches of lower certainty count as uncertain, 0 to 1.
    out_of_focus_from : int
        Patches of this most likely level or higher count as out of focus, 1 to 10.
    rescaling : str
        ``factor``: images are resized by ``scale``; ``objective``: by what the next options make
        of it, see ``factor``.
    pixel_size, numerical_aperture, wavelength, refractive_index : float, optional
        See :class:`focusqual.inference.objective.Objective`. For ``objective`` all have to be
        given, but for the index, which is that of air by default; else none.
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

Factors above 1 invent no detail: an image that was taken at 10x, enlarged by 2, looks blurred to
the network. Leave the factor at 1 for lower magnifications.
""",
        minimum=0.01,
        maximum=100,
        used_if=(RESCALING, FACTOR),
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
    rescaling: str = option(
        FACTOR,
        "How to rescale images",
        "By a factor, or by what the objective resolves.",
        details="""\
The focus levels are defined for a usual 20x objective, of numerical aperture 0.5 and without
binning: pixels of 0.65 micrometers.

-  *factor:* Enter the factor; 1 leaves the images as they are. A level then stands for about
   3 pixels of blur in the image, whatever the objective.
-  *objective:* Enter the size of the pixels, the numerical aperture and the wavelength. Images are
   resized so that what the objective resolves in focus, 0.61 wavelength / NA, is as many pixels as
   with the standard one. They are never enlarged: that brings back no detail. A level then stands
   for one depth of field, wavelength x refractive index / NA\\ :sup:`2`, whatever the objective
   (or for more, if the pixels are too coarse for it), and *ExpectedDefocus* is measured.
""",
        choices=(FACTOR, OBJECTIVE),
    )
    pixel_size: Optional[float] = option(
        None,
        "Pixel size in micrometers",
        "Width of a pixel in the specimen, in micrometers.",
        details="""\
That of the camera, times the binning, divided by the magnification. The metadata of most image
files tell it.
""",
        kind=float,
        minimum=0.001,
        maximum=100,
        suggested=STANDARD.pixel_size,
        used_if=(RESCALING, OBJECTIVE),
    )
    numerical_aperture: Optional[float] = option(
        None,
        "Numerical aperture",
        "That is engraved on the objective after its magnification, as in 20x/0.75.",
        kind=float,
        minimum=0.01,
        maximum=2,
        suggested=STANDARD.numerical_aperture,
        used_if=(RESCALING, OBJECTIVE),
    )
    wavelength: Optional[float] = option(
        None,
        "Wavelength in micrometers",
        "Of the light that reaches the camera, in micrometers.",
        details="""\
The emission of the dye in fluorescence, such as 0.46 for DAPI and Hoechst, 0.52 for GFP and
0.6 for mCherry; 0.55 in white light.
""",
        kind=float,
        minimum=0.1,
        maximum=10,
        suggested=STANDARD.wavelength,
        used_if=(RESCALING, OBJECTIVE),
    )
    refractive_index: float = option(
        STANDARD.refractive_index,
        "Refractive index of the immersion medium",
        "1 for objectives in air, 1.33 in water, 1.515 in oil.",
        details="It is above the numerical aperture.",
        minimum=1,
        maximum=2,
        used_if=(RESCALING, OBJECTIVE),
    )

    def __post_init__(self) -> None:
        """Raise UserError where an option is none, or where the optics are impossible."""
        super().__post_init__()
        _ = self.objective

    @property
    def objective(self) -> Optional[Objective]:
        """With which the image was taken, if that is to be considered."""
        size, aperture, wavelength = self.pixel_size, self.numerical_aperture, self.wavelength
        if size is None or aperture is None or wavelength is None:
            return None
        return Objective(size, aperture, wavelength, self.refractive_index)

    @property
    def factor(self) -> float:
        """By which the image is resized before it is cut into patches."""
        return self.objective.scale if self.objective else self.scale

    @property
    def level_depth(self) -> float:
        """Micrometers of defocus from one level to the next; NaN if the objective is not known."""
        return self.objective.level_depth(self.factor) if self.objective else math.nan
