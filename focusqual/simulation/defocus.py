"""Blur of an image that is out of focus."""

import numpy as np
from scipy.special import j0, j1

from focusqual.levels import STANDARD_OPTICS
from focusqual.optics import Optics
from micrograph_networks.images.blurring import blur


def radial_profile(
    radii: np.ndarray, blur_radius: float, resolution: float, spherical: float = 0.0
) -> np.ndarray:
    """Return the intensity along a radius in the image of a point that is out of focus.

    Scalar model of a circular aperture, Born and Wolf, Principles of Optics, section 8.8, eq. 10:
    ``|int_0^1 J0(v rho) exp(-i u rho^2 / 2) rho drho|^2`` with ``v = 2 pi NA r / wavelength`` and
    ``u = 2 pi NA^2 depth / (wavelength n)``. Aberration adds a term to the phase (section 9.1).

    Parameters
    ----------
    radii : ndarray, (n,)
        Distances from the center in pixels.
    blur_radius : float
        ``NA depth / n`` in pixels; its sign matters only with aberration.
    resolution : float
        ``0.61 wavelength / NA`` in pixels.
    spherical : float
        Aberration ``spherical (rho^4 - rho^2)`` in wavelengths, balanced by defocus; 1 is a
        quarter of a wave, where aberration becomes visible.

    Returns
    -------
    ndarray of float, (n,)
        Intensities in arbitrary units.
    """
    wave_number = 2 * np.pi * 0.61 / resolution
    u, v = wave_number * blur_radius, wave_number * radii
    # Enough samples across the aperture for the fastest phase.
    samples = int(200 + 2 * abs(u) + 2 * v[-1] + 12 * abs(spherical))
    rho = (np.arange(samples) + 0.5) / samples
    phase = -0.5 * u * rho**2 + 2 * np.pi * spherical * (rho**4 - rho**2)
    pupil = np.exp(1j * phase) * rho / samples
    return np.abs(j0(np.outer(v, rho)) @ pupil) ** 2


def point_spread_function(depth: float, optics: Optics = STANDARD_OPTICS) -> np.ndarray:
    """Return the image of a point that is out of focus, see :func:`radial_profile`.

    Parameters
    ----------
    depth : float
        Distance from the plane of focus in micrometers; its sign does not matter.
    optics : Optics

    Returns
    -------
    ndarray of float32, (2 radius + 1, 2 radius + 1)
        Sum 1. The radius is that of the geometric blur plus ten dark rings.
    """
    blur_radius = optics.blur_radius(depth)
    rings = 5 * optics.wavelength / optics.numerical_aperture / optics.pixel_size
    radius = int(np.ceil(blur_radius + rings))
    # Four samples per pixel along the radius.
    radii = np.arange(0, np.sqrt(2) * (radius + 1), 0.25)
    profile = radial_profile(radii, blur_radius, optics.resolution)
    offsets = np.arange(-radius, radius + 1)
    psf = np.interp(np.hypot(*np.meshgrid(offsets, offsets)), radii, profile)
    return (psf / psf.sum()).astype(np.float32)


def fluorescence_transfer(
    frequencies: np.ndarray, blur_radius: float, resolution: float, spherical: float = 0.0
) -> np.ndarray:
    """Return the optical transfer function of a plane that is out of focus.

    It is the Hankel transform of :func:`radial_profile` (Goodman, Introduction to Fourier Optics,
    section 6.3).

    Parameters
    ----------
    frequencies : ndarray, (n,)
        Cycles per pixel.
    blur_radius, resolution, spherical : float
        See :func:`radial_profile`.

    Returns
    -------
    ndarray of float32, (n,)
        Real, because the aperture is round; 1 at frequency 0.
    """
    # Longer steps would repeat the spectrum among the frequencies of the pixels.
    step = min(resolution / 5, 0.2)
    radii = np.arange(step / 2, abs(blur_radius) + 12 * resolution, step)
    rings = radial_profile(radii, blur_radius, resolution, spherical) * radii
    transfer = rings @ j0(2 * np.pi * np.outer(radii, frequencies))
    return (transfer / rings.sum()).astype(np.float32)


def bright_field_transfer(
    frequencies: np.ndarray, blur_radius: float, resolution: float, condenser: float, phase: float
) -> np.ndarray:
    """Return the transfer function of a weak object in transmitted light, relative to focus.

    ``cos(chi + phase) / cos(phase)``, ``chi = pi wavelength depth q^2 / n`` (Guigay 1977, Fourier
    transform analysis of Fresnel diffraction patterns and in-line holograms), damped by the
    condenser's aperture, because each direction of light shifts the image (Airy's ``2 J1(x) / x``),
    and by diffraction at the objective's aperture.

    Parameters
    ----------
    frequencies : ndarray, (n,)
        Cycles per pixel.
    blur_radius, resolution : float
        See :func:`radial_profile`; the sign of ``blur_radius`` inverts the fringes.
    condenser : float
        Condenser aperture as a fraction of the objective's, above 0 and up to 1.
    phase : float
        0 for absorption, towards pi / 2 for refraction.

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
    """Blur an in-focus image as if it were ``depth`` micrometers out of focus.

    The image is mirrored at its borders. At depth 0 it is returned unchanged, because it already
    has the blur of the microscope in focus.

    Parameters
    ----------
    image : ndarray, (height, width), any real dtype
        Values proportional to light, with or without camera offset.
    depth : float
        Defocus in micrometers; ``LEVEL_DEPTH * k`` for level k.
    optics : Optics

    Returns
    -------
    ndarray of float32, (height, width), or of float64 for a dtype that float32 cannot hold
        Values within the range of the input.
    """
    image = image.astype(np.promote_types(image.dtype, np.float32), copy=False)
    if depth == 0:
        return image
    return blur(image, point_spread_function(depth, optics))
