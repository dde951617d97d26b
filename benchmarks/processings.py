"""What programs do to images before they are measured, by the functions that they use.

Every processing takes a gray image, uint8 or uint16 (height, width), and gives one; floats stay
floats, as in CellProfiler.
"""

import io

import numpy as np
from PIL import Image
from scipy.ndimage import median_filter
from skimage import filters, restoration
from skimage.transform import downscale_local_mean, rescale

from focusqual.simulation.defocus import defocus, point_spread_function

SCALES = (0.5, 0.75, 0.9, 1.1, 1.25, 1.5, 2)
ORDERS = (0, 1, 3)
SEED = 1
"""Of hot pixels and of the noise of further planes."""


def gaussian(sigma):
    """Smoothing by a Gaussian."""
    return lambda image: filters.gaussian(image, sigma, preserve_range=True)


def median(image):
    """Median of 3 x 3 pixels."""
    return median_filter(image, 3)


def bilateral(image):
    """Smoothing that spares edges, with the noise's contrast as the range."""
    image = _to_unit(image)
    contrast = 2 * restoration.estimate_sigma(image)
    return restoration.denoise_bilateral(image, sigma_color=contrast, sigma_spatial=1.5)


def wavelet(image):
    """Soft thresholds of wavelet coefficients."""
    return restoration.denoise_wavelet(_to_unit(image), rescale_sigma=True)


def non_local_means(image):
    """Non-local means at 0.8 of the noise's standard deviation."""
    image = _to_unit(image)
    noise = restoration.estimate_sigma(image)
    return restoration.denoise_nl_means(image, 5, 6, h=0.8 * noise, sigma=noise)


def unsharp_mask(image):
    """Sharpening by what a Gaussian of 2 pixels takes away."""
    return filters.unsharp_mask(image, radius=2, amount=1, preserve_range=True)


def richardson_lucy(image):
    """Ten iterations of deconvolution with the point spread function in focus."""
    psf = point_spread_function(0)
    return restoration.richardson_lucy(_to_unit(image) + 1e-6, psf, 10, clip=False)


def binning(image):
    """Means of 2 x 2 pixels."""
    return downscale_local_mean(image, (2, 2))


def resampling(scale, order):
    """Resizing, with a Gaussian before it where it shrinks, but for nearest neighbors."""
    smooth = scale < 1 and order > 0
    return lambda image: rescale(
        image, scale, order, preserve_range=True, anti_aliasing=smooth, mode="reflect"
    )


def jpeg(quality):
    """To 8 bit, and through JPEG."""

    def compress(image):
        file = io.BytesIO()
        Image.fromarray(eight_bit(image)).save(file, "JPEG", quality=quality)
        return np.asarray(Image.open(file))

    return compress


def eight_bit(image):
    """To 8 bit, rounded, if it is of 16: by four times its range, as with one for a whole plate."""
    return image if image.dtype == np.uint8 else np.rint(255 / 4 * _to_unit(image)).astype(np.uint8)


def flat_field(image):
    """Divided by its own illumination, a Gaussian of 40 pixels."""
    light = filters.gaussian(image, 40, preserve_range=True)
    return image / np.maximum(light, 1e-6) * light.mean()


def rolling_ball(image):
    """Less the background of a ball of 25 pixels on the smoothed image, clipped at 0."""
    smooth = filters.gaussian(image, 1, preserve_range=True)
    return np.maximum(image - restoration.rolling_ball(smooth, radius=25), 0)


def background_level(image):
    """Less its median, clipped at 0: half of a blank field becomes 0."""
    return np.maximum(image - np.median(image), 0)


def hot_pixels(image):
    """One pixel of 2000 at thrice the range of the image."""
    rng = np.random.default_rng(SEED)
    low, high = float(image.min()), float(image.max())
    hot = min(low + 3 * (high - low), np.iinfo(image.dtype).max)
    return np.where(rng.random(image.shape) < 1 / 2000, hot, image).astype(image.dtype)


def maximum_projection(image):
    """With planes 4 and 8 micrometers below and above, each with noise as strong as its own."""
    rng = np.random.default_rng(SEED)
    noise = restoration.estimate_sigma(image.astype(float))
    planes = [defocus(image, depth) + rng.normal(0, noise, image.shape) for depth in (-8, -4, 4, 8)]
    return np.max([image, *planes], axis=0)


def _to_unit(image):
    """Gray levels stretched to 0 to 1."""
    low, high = float(image.min()), float(image.max())
    return (image - low) / max(high - low, 1e-12)


PROCESSINGS = {
    **{f"Gaussian {sigma}": gaussian(sigma) for sigma in (0.5, 0.7, 1.0)},
    "median 3": median,
    "bilateral": bilateral,
    "wavelet": wavelet,
    "non-local means": non_local_means,
    "unsharp mask": unsharp_mask,
    "Richardson-Lucy": richardson_lucy,
    "binning 2": binning,
    **{
        f"resampled by {scale}, order {order}": resampling(scale, order)
        for scale in SCALES
        for order in ORDERS
    },
    **{f"JPEG {quality}": jpeg(quality) for quality in (75, 90)},
    "8 bit": eight_bit,
    "flat-field": flat_field,
    "rolling ball": rolling_ball,
    "median subtracted": background_level,
    "hot pixels": hot_pixels,
    "maximum projection": maximum_projection,
}
"""By their names in the table."""
