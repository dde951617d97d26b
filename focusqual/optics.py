"""Optics of a microscope."""

from dataclasses import dataclass

from micrograph_networks.errors import UserError

REQUIRED_OPTICS = ("pixel_size", "numerical_aperture", "wavelength")
"""Attributes of :class:`Optics` without a default, also as names of options and columns."""


@dataclass(frozen=True)
class Optics:
    """Optical properties that determine the blur of an image at a given defocus.

    Attributes
    ----------
    pixel_size : float
        Width of a pixel in the specimen, binning included, in micrometers.
    numerical_aperture : float
        Numerical aperture of the objective, below the refractive index.
    wavelength : float
        Wavelength of the emitted light in micrometers.
    refractive_index : float
        Refractive index of the immersion medium.

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
        """Raise UserError if such optics do not exist."""
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

    def blur_radius(self, depth: float) -> float:
        """Return the radius of the cone of light in pixels, ``depth`` micrometers out of focus."""
        return abs(depth) * self.numerical_aperture / self.refractive_index / self.pixel_size
