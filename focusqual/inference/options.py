"""Options of the focus measurement and its pictures, each declared once."""

import math
from dataclasses import dataclass
from typing import Dict, Optional

from focusqual.inference.patches import PATCH_SIZE
from focusqual.levels import LEVELS, STANDARD_OPTICS, level_depth, rescaling_factor
from focusqual.optics import Optics
from micrograph_networks.images.acquisition import LIMITS
from micrograph_networks.options import Checked, option

RESCALING = "rescaling"
FACTOR, OBJECTIVE = "factor", "objective"
"""Name of the option that selects the rescaling, and its choices."""
RAINBOW, UNIFORM = "rainbow", "uniform"
"""Palettes of the levels."""

ATTRIBUTES = {
    "pixel_size": "pixel_size_um",
    "numerical_aperture": "numerical_aperture",
    "wavelength": "wavelength_um",
    "refractive_index": "refractive_index",
}
"""Attributes of Acquisition by the options of the same meaning."""


def _limits(name: str) -> Dict[str, float]:
    return dict(zip(("minimum", "maximum"), LIMITS[name]))


@dataclass(frozen=True)
class PictureOptions(Checked):
    """Options of annotated pictures and of the figure.

    Attributes
    ----------
    palette : str
        Colors of the levels: ``rainbow`` or ``uniform``.
    """

    palette: str = option(
        RAINBOW,
        "Colors of the focus levels",
        "Colors from in focus to out of focus: blue to red as in a rainbow, or blue to orange, "
        "which color-blind people can tell apart.",
        details="""\
-  *Rainbow:* Blue, green, yellow, and red, as in the article on the method.
-  *Color-blind safe:* Blue, gray, and orange of the same lightness. Each level looks equally
   different from the next, also with color vision deficiency.

Uncertain patches are darker and grayer with both. Measurements do not depend on the colors.
""",
        choices=(RAINBOW, UNIFORM),
        shown=("Rainbow", "Color-blind safe"),
    )


@dataclass(frozen=True)
class FocusOptions(Checked):
    """Options of the focus measurement.

    Attributes
    ----------
    stride : int
        Pixels from one patch to the next in the rescaled image, 1 to 84.
    scale : float
        Factor by which the image is resized before it is cut into patches, 0.01 to 100.
    aggregation : str
        ``weighted``: mean of the patches' distributions weighted by their certainty;
        ``product``: normalized product of the distributions.
    uncertain_below : float
        Certainty below which a patch is uncertain, 0 to 1.
    out_of_focus_from : int
        Most likely level from which a patch is out of focus, 1 to 10.
    rescaling : str
        ``factor``: resize images by ``scale``; ``objective``: resize them to the resolution of the
        standard optics, see ``focusqual.levels.rescaling_factor``.
    pixel_size, numerical_aperture, wavelength, refractive_index : float, optional
        See :class:`focusqual.optics.Optics`. Only for the rescaling ``objective``, which requires
        the first three.
    """

    stride: int = option(
        PATCH_SIZE,
        "Patch stride in pixels",
        "Pixels from one patch to the next.",
        details=f"""\
With {PATCH_SIZE}, the width of a patch, patches are side by side. With smaller values they overlap
and give finer maps of the focus, but half the stride takes four times as long. The last row and
column of patches are moved inwards if the image is not a multiple of the stride, so that every
pixel is measured.
""",
        minimum=1,
        maximum=PATCH_SIZE,
    )
    scale: float = option(
        1.0,
        "Rescaling factor",
        "Resize images by this factor before they are cut into patches.",
        details="""\
All results are in pixels of the original image.

Factors above 1 add no detail: an image that was taken at 10x and enlarged by 2 looks blurred to
the network. Leave the factor at 1 for lower magnifications.
""",
        minimum=0.01,
        maximum=100,
        used_if=(RESCALING, FACTOR),
    )
    aggregation: str = option(
        "weighted",
        "How to combine the patches",
        "Combine patches by their mean, weighted by certainty, or by their product.",
        details="""\
-  *Certain patches count more:* Patches are weighted by their certainty, so that blank ones do not
   count. This is right for most uses.
-  *As independent measurements:* The probabilities of the patches are multiplied, as if each patch
   were an independent measurement of the same level. The certainty of the image is near 1 if there
   are many patches. You rarely need this.
""",
        choices=("weighted", "product"),
        shown=("Certain patches count more", "As independent measurements"),
    )
    uncertain_below: float = option(
        0.25,
        "Minimum certainty of a patch",
        "Patches of a lower certainty count as uncertain.",
        details="""\
They count in *FractionUncertain*, and neither as in focus nor as out of focus. Patches without
cells are usually uncertain. This affects only the fractions, not the score.
""",
        minimum=0,
        maximum=1,
    )
    out_of_focus_from: int = option(
        2,
        "Lowest out-of-focus level",
        "Certain patches whose most probable level is this or higher count as out of focus.",
        details="""\
They count in *FractionOutOfFocus*, other certain patches in *FractionInFocus*. This affects only
the fractions, not the score.
""",
        minimum=1,
        maximum=LEVELS - 1,
    )
    rescaling: str = option(
        FACTOR,
        "How to rescale images",
        "Rescale images by a factor, or to the resolution of the standard objective.",
        details="""\
The focus levels are defined for a typical 20x objective, see the help of the module.

-  *By a factor:* Enter the factor; 1 leaves the images unchanged. A level is then the same blur in
   pixels of the image for all objectives.
-  *To match the objective:* Enter the size of the pixels, the numerical aperture and the
   wavelength, or press *Read the optics from an image...* to take them from the metadata of a file.
   Images are resized so that the smallest distance that the objective resolves, 0.61 wavelength /
   NA, has as many pixels as with the 20x objective. They are never enlarged, because that adds no
   detail. A level is then one depth of field, wavelength x refractive index / NA\\ :sup:`2`, for
   all objectives (or more, if the pixels are too coarse for it), and *ExpectedDefocus* is measured.
""",
        choices=(FACTOR, OBJECTIVE),
        shown=("By a factor", "To match the objective"),
    )
    pixel_size: Optional[float] = option(
        None,
        "Pixel size in micrometers",
        "Width of a pixel in the specimen, in micrometers.",
        details="""\
It is the pixel size of the camera, times the binning, divided by the magnification. The metadata
of most image files contain it.
""",
        kind=float,
        **_limits("pixel_size_um"),
        suggested=STANDARD_OPTICS.pixel_size,
        used_if=(RESCALING, OBJECTIVE),
    )
    numerical_aperture: Optional[float] = option(
        None,
        "Numerical aperture",
        "Numerical aperture, engraved on the objective after its magnification, as in 20x/0.75.",
        kind=float,
        **_limits("numerical_aperture"),
        suggested=STANDARD_OPTICS.numerical_aperture,
        used_if=(RESCALING, OBJECTIVE),
    )
    wavelength: Optional[float] = option(
        None,
        "Wavelength in micrometers",
        "Wavelength of the light that reaches the camera, in micrometers.",
        details="""\
In fluorescence, enter the emission of the dye, such as 0.46 for DAPI and Hoechst, 0.52 for GFP and
0.6 for mCherry. In white light, enter 0.55.
""",
        kind=float,
        **_limits("wavelength_um"),
        suggested=STANDARD_OPTICS.wavelength,
        used_if=(RESCALING, OBJECTIVE),
    )
    refractive_index: float = option(
        STANDARD_OPTICS.refractive_index,
        "Refractive index of the immersion",
        "Refractive index of the immersion medium: 1 for air, 1.33 for water, 1.515 for oil.",
        details="It must be above the numerical aperture.",
        **_limits("refractive_index"),
        used_if=(RESCALING, OBJECTIVE),
    )

    def __post_init__(self) -> None:
        """Raise UserError if an option is not valid or the optics are impossible."""
        super().__post_init__()
        _ = self.optics

    @property
    def optics(self) -> Optional[Optics]:
        """Optics of the image, if specified."""
        size, aperture, wavelength = self.pixel_size, self.numerical_aperture, self.wavelength
        if size is None or aperture is None or wavelength is None:
            return None
        return Optics(size, aperture, wavelength, self.refractive_index)

    @property
    def factor(self) -> float:
        """Factor by which the image is resized before it is cut into patches."""
        return rescaling_factor(self.optics) if self.optics else self.scale

    @property
    def level_depth(self) -> float:
        """Defocus from one level to the next in micrometers; NaN if the optics are unknown."""
        return level_depth(self.optics, self.factor) if self.optics else math.nan
