"""What an objective makes of the focus levels: their factor, and their depth."""

from dataclasses import dataclass

from focusqual.levels import LEVEL_DEPTH
from micrograph_networks.errors import UserError


@dataclass(frozen=True)
class Objective:
    """With which an image was taken.

    Attributes
    ----------
    pixel_size : float
        In the plane of the specimen, binning included, in micrometers.
    numerical_aperture : float
    wavelength : float
        Of the emitted light, in micrometers.
    refractive_index : float
        Of the immersion medium.

    Raises
    ------
    UserError
        A number is not above 0, or the aperture is not below the refractive index.
    """

    pixel_size: float
    numerical_aperture: float
    wavelength: float
    refractive_index: float = 1.0

    def __post_init__(self) -> None:
        """Raise UserError where there is no such objective."""
        if min(self.pixel_size, self.numerical_aperture, self.wavelength) <= 0:
            raise UserError("Pixel size, numerical aperture and wavelength must be above 0.")
        if self.numerical_aperture >= self.refractive_index:
            raise UserError(
                f"The numerical aperture, {self.numerical_aperture:g}, must be below the "
                f"refractive index, {self.refractive_index:g}: enter that of the immersion medium, "
                "such as 1.33 for water or 1.515 for oil."
            )

    @property
    def resolution(self) -> float:
        """Smallest distance resolved in focus, in pixels: 0.61 wavelength / NA (Rayleigh)."""
        return 0.61 * self.wavelength / self.numerical_aperture / self.pixel_size

    @property
    def scale(self) -> float:
        """Factor that brings the resolution, in pixels, to that of the standard optics.

        1 where that were an enlargement: pixels that are too coarse for the optics limit the
        detail, and no factor brings it back.
        """
        return min(1.0, STANDARD.resolution / self.resolution)

    def level_depth(self, scale: float) -> float:
        """Micrometers of defocus from one level to the next in an image that was resized.

        Defocus by z spreads a point over a disk of diameter 2 z NA / n, in pixels of the resized
        image 2 z NA scale / (n pixel size): a level is the z of the same diameter in pixels as 2 um
        with the standard optics. With :attr:`scale` as the factor this is the depth of field
        wavelength n / NA^2, and the whole point spread function agrees, since its paraxial form
        (Born and Wolf, Principles of Optics, section 8.8) depends on z by z NA^2 / (wavelength n)
        alone. Above an aperture of some 0.7 n the paraxial form gives too large a depth.

        Parameters
        ----------
        scale : float
            By which the image is resized before it is measured.

        Returns
        -------
        float
        """
        return LEVEL_DEPTH * STANDARD._spread(1.0) / self._spread(scale)

    def _spread(self, scale: float) -> float:
        """Pixels of the resized image over which a micrometer of defocus spreads a point."""
        sine = self.numerical_aperture / self.refractive_index
        return 2 * sine * scale / self.pixel_size


STANDARD = Objective(pixel_size=0.65, numerical_aperture=0.5, wavelength=0.5)
"""The one that defines the levels."""
