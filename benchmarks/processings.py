"""Image processing that programs commonly do before images are measured.

Every function takes a gray image, uint8 or uint16 (height, width), and returns a gray image, whose
values may be floats, like in CellProfiler.
"""

import io
from functools import partial

import numpy as np
from PIL import Image
from scipy.ndimage import median_filter
from skimage import filters, restoration
from skimage.transform import downscale_local_mean, rescale

from focusqual.simulation.defocus import defocus, point_spread_function

SCALES = (0.5, 0.75, 0.9, 1.1, 1.25)
ENLARGED = (1.5, 2)
"""Scales that blur an image in focus by a level: see focusqual.simulation.microscopes."""
ORDERS = (0, 1, 3)
SEED = 1
"""Seed of hot pixels and of the noise of further planes."""


def bilateral(image):
    """Smooth, but not across edges. The range is the contrast of the noise."""
    image = _to_unit(image)
    contrast = 2 * restoration.estimate_sigma(image)
    return restoration.denoise_bilateral(image, sigma_color=contrast, sigma_spatial=1.5)


def wavelet(image):
    """Denoise by soft thresholds of wavelet coefficients."""
    return restoration.denoise_wavelet(_to_unit(image), rescale_sigma=True)


def non_local_means(image):
    """Denoise by non-local means at 0.8 of the noise's standard deviation."""
    image = _to_unit(image)
    noise = restoration.estimate_sigma(image)
    return restoration.denoise_nl_means(image, 5, 6, h=0.8 * noise, sigma=noise)


def unsharp_mask(image):
    """Sharpen by the difference to a Gaussian of 2 pixels."""
    return filters.unsharp_mask(image, radius=2, amount=1, preserve_range=True)


def richardson_lucy(image):
    """Deconvolve in ten iterations with the point spread function in focus."""
    psf = point_spread_function(0)
    return restoration.richardson_lucy(_to_unit(image) + 1e-6, psf, 10, clip=False)


def binning(image):
    """Average 2 x 2 pixels."""
    return downscale_local_mean(image, (2, 2))


def resample(image, scale, order):
    """Resize, after a Gaussian if the image shrinks, except with nearest neighbors (order 0)."""
    smooth = scale < 1 and order > 0
    return rescale(image, scale, order, preserve_range=True, anti_aliasing=smooth, mode="reflect")


def jpeg(image, quality):
    """Convert to 8 bits and compress by JPEG."""
    file = io.BytesIO()
    Image.fromarray(eight_bit(image)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def eight_bit(image):
    """Convert 16 bits to 8: the image uses a quarter of the range, as in a plate of one range."""
    return image if image.dtype == np.uint8 else np.rint(255 / 4 * _to_unit(image)).astype(np.uint8)


def flat_field(image):
    """Divide by the illumination, a Gaussian of 40 pixels."""
    light = filters.gaussian(image, 40, preserve_range=True)
    return image / np.maximum(light, 1e-6) * light.mean()


def rolling_ball(image):
    """Subtract the background of a ball of 25 pixels on the smoothed image, and clip at 0."""
    smooth = filters.gaussian(image, 1, preserve_range=True)
    return np.maximum(image - restoration.rolling_ball(smooth, radius=25), 0)


def background_level(image):
    """Subtract the median and clip at 0: half of a blank field becomes 0."""
    return np.maximum(image - np.median(image), 0)


def hot_pixels(image):
    """Set one pixel of 2000 to three times the range of the image."""
    rng = np.random.default_rng(SEED)
    low, high = float(image.min()), float(image.max())
    hot = min(low + 3 * (high - low), np.iinfo(image.dtype).max)
    return np.where(rng.random(image.shape) < 1 / 2000, hot, image).astype(image.dtype)


def maximum_projection(image):
    """Project planes 4 and 8 micrometers below and above, with noise of the image's strength."""
    rng = np.random.default_rng(SEED)
    noise = restoration.estimate_sigma(image.astype(float))
    planes = [defocus(image, depth) + rng.normal(0, noise, image.shape) for depth in (-8, -4, 4, 8)]
    return np.max([image, *planes], axis=0)


def _to_unit(image):
    """Stretch gray levels to 0 to 1."""
    low, high = float(image.min()), float(image.max())
    return (image - low) / max(high - low, 1e-12)


def _resampled(scales):
    return {
        f"resampled by {scale}, order {order}": partial(resample, scale=scale, order=order)
        for scale in scales
        for order in ORDERS
    }


LEVEL_KEPT = {
    **{
        f"Gaussian {sigma}": partial(filters.gaussian, sigma=sigma, preserve_range=True)
        for sigma in (0.5, 0.7, 1.0)
    },
    "median 3": partial(median_filter, size=3),
    "bilateral": bilateral,
    "wavelet": wavelet,
    "non-local means": non_local_means,
    "unsharp mask": unsharp_mask,
    "Richardson-Lucy": richardson_lucy,
    "binning 2": binning,
    **_resampled(SCALES),
    **{f"JPEG {quality}": partial(jpeg, quality=quality) for quality in (75, 90)},
    "8 bit": eight_bit,
    "flat-field": flat_field,
    "rolling ball": rolling_ball,
    "median subtracted": background_level,
    "hot pixels": hot_pixels,
    "maximum projection": maximum_projection,
}
"""Processings that move the level of an image in focus by no more than one, by their names."""
PROCESSINGS = {**LEVEL_KEPT, **_resampled(ENLARGED)}
"""All processings by their names. They leave blank images uncertain."""
