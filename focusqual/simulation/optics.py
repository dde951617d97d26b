"""Defocus of a fluorescence microscope."""

from dataclasses import dataclass

import numpy as np
from scipy.signal import oaconvolve
from scipy.special import j0


@dataclass(frozen=True)
class Optics:
    """What fixes the blur of a given defocus.

    The defaults define the focus levels: level k is the blur of k x 2 micrometres of defocus with
    these optics, about 3 pixels of blur diameter a level (2 * 2 um * NA / n / pixel size = 3.1).

    Attributes
    ----------
    wavelength : float
        Emission wavelength in micrometres.
    numerical_aperture : float
    refractive_index : float
        Of the immersion medium.
    pixel_size : float
        In the plane of the specimen, in micrometres.
    """

    wavelength: float = 0.5
    numerical_aperture: float = 0.5
    refractive_index: float = 1.0
    pixel_size: float = 0.65


STANDARD_OPTICS = Optics()
"""Those that define the focus levels."""


def point_spread_function(depth: float, optics: Optics = STANDARD_OPTICS) -> np.ndarray:
    """Intensity in the image plane of a point that lies out of focus.

    Scalar model of a circular aperture, Born and Wolf, Principles of Optics, section 8.8, eq. 10:
    ``|int_0^1 J0(v rho) exp(-i u rho^2 / 2) rho drho|^2`` with ``v = 2 pi NA r / wavelength`` and
    ``u = 2 pi NA^2 depth / (wavelength n)``.

    Parameters
    ----------
    depth : float
        Distance from the plane of focus in micrometres; its sign does not matter.
    optics : Optics

    Returns
    -------
    ndarray of float32, (2 radius + 1, 2 radius + 1)
        Of sum 1. The radius is that of the geometric blur and of ten dark rings about it.
    """
    aperture = optics.numerical_aperture
    geometric = abs(depth) * aperture / optics.refractive_index
    radius = int(np.ceil((geometric + 5 * optics.wavelength / aperture) / optics.pixel_size))
    u = 2 * np.pi * aperture**2 * depth / (optics.wavelength * optics.refractive_index)
    v = 2 * np.pi * aperture / optics.wavelength * optics.pixel_size
    # Four samples a pixel along the radius, and enough over the aperture for the fastest phase.
    radii = np.arange(0, np.sqrt(2) * (radius + 1), 0.25)
    samples = int(200 + 2 * abs(u) + 2 * v * radii[-1])
    rho = (np.arange(samples) + 0.5) / samples
    pupil = np.exp(-0.5j * u * rho**2) * rho / samples
    profile = np.abs(j0(np.outer(v * radii, rho)) @ pupil) ** 2
    offsets = np.arange(-radius, radius + 1)
    psf = np.interp(np.hypot(*np.meshgrid(offsets, offsets)), radii, profile)
    return (psf / psf.sum()).astype(np.float32)


def defocus(image: np.ndarray, depth: float, optics: Optics = STANDARD_OPTICS) -> np.ndarray:
    """Blur an in-focus image as if it lay ``depth`` micrometres out of focus.

    Borders are continued by symmetry. At depth 0 the image is returned as it is: its own blur is
    that of the microscope in focus.

    Parameters
    ----------
    image : ndarray, (height, width), any real dtype
        Values proportional to light, camera offset included or not.
    depth : float
        In micrometres; ``LEVEL_DEPTH * k`` for level k.
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
