"""Defocus of a microscope."""

from dataclasses import dataclass

import numpy as np
from scipy.signal import oaconvolve
from scipy.special import j0, j1


@dataclass(frozen=True)
class Optics:
    """What fixes the blur of a given defocus.

    The defaults define the focus levels: level k is the blur of k x 2 micrometers of defocus with
    these optics, about 3 pixels of blur diameter a level (2 * 2 um * NA / n / pixel size = 3.1).

    Attributes
    ----------
    wavelength : float
        Emission wavelength in micrometers.
    numerical_aperture : float
    refractive_index : float
        Of the immersion medium.
    pixel_size : float
        In the plane of the specimen, in micrometers.
    """

    wavelength: float = 0.5
    numerical_aperture: float = 0.5
    refractive_index: float = 1.0
    pixel_size: float = 0.65

    @property
    def resolution(self) -> float:
        """Radius of the first dark ring in focus in pixels: ``0.61 wavelength / NA``."""
        return 0.61 * self.wavelength / self.numerical_aperture / self.pixel_size

    def blur_radius(self, depth: float) -> float:
        """Radius of the cone of light in pixels, ``depth`` micrometers out of focus."""
        return abs(depth) * self.numerical_aperture / self.refractive_index / self.pixel_size


STANDARD_OPTICS = Optics()
"""Those that define the focus levels."""


def radial_profile(
    radii: np.ndarray, blur_radius: float, resolution: float, spherical: float = 0.0
) -> np.ndarray:
    """Intensity in the image plane of a point that lies out of focus, along a radius.

    Scalar model of a circular aperture, Born and Wolf, Principles of Optics, section 8.8, eq. 10:
    ``|int_0^1 J0(v rho) exp(-i u rho^2 / 2) rho drho|^2`` with ``v = 2 pi NA r / wavelength`` and
    ``u = 2 pi NA^2 depth / (wavelength n)``; with aberration, the phase has a term more (section
    9.1).

    Parameters
    ----------
    radii : ndarray, (n,)
        Distances from the center in pixels.
    blur_radius : float
        ``NA depth / n`` in pixels; its sign matters with aberration only.
    resolution : float
        ``0.61 wavelength / NA`` in pixels.
    spherical : float
        Aberration ``spherical (rho^4 - rho^2)`` in wavelengths, balanced by defocus; 1 is the
        quarter of a wave at which it begins to be seen.

    Returns
    -------
    ndarray of float, (n,)
        In units that do not matter.
    """
    wave_number = 2 * np.pi * 0.61 / resolution
    u, v = wave_number * blur_radius, wave_number * radii
    # Enough samples over the aperture for the fastest phase.
    samples = int(200 + 2 * abs(u) + 2 * v[-1] + 12 * abs(spherical))
    rho = (np.arange(samples) + 0.5) / samples
    phase = -0.5 * u * rho**2 + 2 * np.pi * spherical * (rho**4 - rho**2)
    pupil = np.exp(1j * phase) * rho / samples
    return np.abs(j0(np.outer(v, rho)) @ pupil) ** 2


def point_spread_function(depth: float, optics: Optics = STANDARD_OPTICS) -> np.ndarray:
    """Image of a point that lies out of focus, of :func:`radial_profile`.

    Parameters
    ----------
    depth : float
        Distance from the plane of focus in micrometers; its sign does not matter.
    optics : Optics

    Returns
    -------
    ndarray of float32, (2 radius + 1, 2 radius + 1)
        Of sum 1. The radius is that of the geometric blur and of ten dark rings about it.
    """
    blur_radius = optics.blur_radius(depth)
    rings = 5 * optics.wavelength / optics.numerical_aperture / optics.pixel_size
    radius = int(np.ceil(blur_radius + rings))
    # Four samples a pixel along the radius.
    radii = np.arange(0, np.sqrt(2) * (radius + 1), 0.25)
    profile = radial_profile(radii, blur_radius, optics.resolution)
    offsets = np.arange(-radius, radius + 1)
    psf = np.interp(np.hypot(*np.meshgrid(offsets, offsets)), radii, profile)
    return (psf / psf.sum()).astype(np.float32)


def fluorescence_transfer(
    frequencies: np.ndarray, blur_radius: float, resolution: float, spherical: float = 0.0
) -> np.ndarray:
    """Optical transfer function of light from a plane that lies out of focus.

    The Hankel transform of :func:`radial_profile` (Goodman, Introduction to Fourier Optics,
    section 6.3).

    Parameters
    ----------
    frequencies : ndarray, (n,)
        In cycles a pixel.
    blur_radius, resolution, spherical : float
        As for :func:`radial_profile`.

    Returns
    -------
    ndarray of float32, (n,)
        Real, as the aperture is round; 1 at frequency 0.
    """
    step = resolution / 5
    radii = np.arange(step / 2, abs(blur_radius) + 12 * resolution, step)
    rings = radial_profile(radii, blur_radius, resolution, spherical) * radii
    transfer = rings @ j0(2 * np.pi * np.outer(radii, frequencies))
    return (transfer / rings.sum()).astype(np.float32)


def bright_field_transfer(
    frequencies: np.ndarray, blur_radius: float, resolution: float, condenser: float, phase: float
) -> np.ndarray:
    """Transfer of a weak object in transmitted light, in relation to its image in focus.

    ``cos(chi + phase) / cos(phase)``, ``chi = pi wavelength depth q^2 / n`` (Guigay 1977, Fourier
    transform analysis of Fresnel diffraction patterns and in-line holograms), damped by the
    condenser's aperture as by a shift of the image for every direction of the light (Airy's
    ``2 J1(x) / x``), and by the diffraction of the objective's aperture.

    Parameters
    ----------
    frequencies : ndarray, (n,)
        In cycles a pixel.
    blur_radius, resolution : float
        As for :func:`radial_profile`; with the sign of ``blur_radius`` the fringes turn.
    condenser : float
        Its aperture as a fraction of the objective's, above 0 up to 1.
    phase : float
        Between absorption, 0, and refraction, towards pi / 2.

    Returns
    -------
    ndarray of float32, (n,)
        1 at frequency 0.
    """
    chi = np.pi * blur_radius * resolution / 0.61 * frequencies**2
    x = 2 * np.pi * condenser * abs(blur_radius) * frequencies + 1e-9
    damped = 2 * j1(x) / x * fluorescence_transfer(frequencies, 0, resolution)
    return (np.cos(chi + phase) / np.cos(phase) * damped).astype(np.float32)


def defocus(image: np.ndarray, depth: float, optics: Optics = STANDARD_OPTICS) -> np.ndarray:
    """Blur an in-focus image as if it lay ``depth`` micrometers out of focus.

    Borders are continued by symmetry. At depth 0 the image is returned as it is: its own blur is
    that of the microscope in focus.

    Parameters
    ----------
    image : ndarray, (height, width), any real dtype
        Values proportional to light, camera offset included or not.
    depth : float
        In micrometers; ``LEVEL_DEPTH * k`` for level k.
    optics : Optics

    Returns
    -------
    ndarray of float32, (height, width)
        In the range of the input.
    """
    image = np.asarray(image, dtype=np.float32)
    if depth == 0:
        return image
    psf = point_spread_function(depth, optics)
    radius = psf.shape[0] // 2
    blurred = oaconvolve(np.pad(image, radius, mode="symmetric"), psf, mode="valid")
    # The transform's rounding may step over the input's range by some 1e-7.
    return np.clip(blurred, image.min(), image.max()).astype(np.float32)
