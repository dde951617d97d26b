"""Color models of TIFF pages: each page becomes gray images or one color image.

The pixels are those that CellProfiler 4 shows with the image type *Color image*.
"""

from typing import Any, Tuple

import numpy as np
import tifffile

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, MASK, CMYK, YCBCR, CIELAB = 0, 1, 2, 3, 4, 5, 6, 8
"""Values of the tag PhotometricInterpretation."""
COLOR_FILTER_ARRAY = 32803
"""Value of the tag PhotometricInterpretation for sensors with color filters, read as gray."""
COLORS = (RGB, CMYK, YCBCR, CIELAB)
"""Color models of several samples."""
GRAY = (WHITE_IS_ZERO, BLACK_IS_ZERO, PALETTE, MASK, COLOR_FILTER_ARRAY)
"""Color models of one sample."""
ALPHA = (1, 2)
"""Values of the tag ExtraSamples for alpha, associated or not."""
JPEG = (6, 7, 33003, 33005, 33007, 34712)
"""Values of the tag Compression of the formats that decode YCbCr themselves."""
LUMA = (0.299, 0.587, 0.114)
"""Default of the tag YCbCrCoefficients."""


def color_model(page: tifffile.TiffPage) -> int:
    """Return the color model of a page; min-is-black or RGB if it does not tell.

    Raises
    ------
    ValueError
        It is not one of COLORS or GRAY.
    """
    if "PhotometricInterpretation" not in page.tags:
        return RGB if page.samplesperpixel >= 3 else BLACK_IS_ZERO
    model = int(page.photometric)
    if model not in COLORS + GRAY:
        raise ValueError(f"its color model {_name(page)} is not supported")
    return model


def channel_count(page: tifffile.TiffPage) -> int:
    """Return the number of gray images in a page; 1 for a gray or color image.

    Planar samples that are not colors, two samples without alpha, and more than four samples are
    channels: microscopes often declare stacks so. Those of an LSM file are always channels.
    """
    samples = page.samplesperpixel
    if samples == 1 or color_model(page) in COLORS and not page.is_lsm:
        return 1
    if samples == 2 and set(page.extrasamples or ()) & set(ALPHA):
        return 1
    return 1 if samples in (3, 4) and page.axes[0] != "S" else samples


def convert_colors(page: tifffile.TiffPage, pixels: np.ndarray) -> np.ndarray:
    """Convert the stored samples of a page to gray levels or RGB.

    Parameters
    ----------
    page : tifffile.TiffPage
    pixels : ndarray
        Samples of the page, with the axes of the page.

    Returns
    -------
    ndarray, (height, width) or (height, width, channels)
        The axes of the page remain if it contains several gray images. Alpha remains.

    Raises
    ------
    ValueError
        CellProfiler cannot show this combination of color model and data type either.
    """
    model = color_model(page)
    if pixels.dtype == bool:
        pixels = pixels.astype(np.uint8)  # CellProfiler reads bits as gray levels 0 and 1, too
    if pixels.dtype.kind not in "uif":
        raise ValueError(f"its pixels are {pixels.dtype}")
    channels = channel_count(page)
    if channels == 1 and page.axes[0] == "S":
        pixels = np.moveaxis(pixels, 0, -1)
    if channels == 1 and model in COLORS:
        if model == CMYK:
            return _inverted(page, pixels[..., :3])
        if model == YCBCR and int(page.compression) not in JPEG:
            return _rgb_of_ycbcr(page, pixels)
        return pixels if pixels.shape[-1] <= 4 else pixels[..., :3]
    if model == PALETTE:
        return _looked_up(page, pixels)
    return _inverted(page, pixels) if model == WHITE_IS_ZERO else pixels


def _inverted(page: tifffile.TiffPage, pixels: np.ndarray) -> np.ndarray:
    if pixels.dtype.kind != "u":
        raise ValueError(f"its color model {_name(page)} is not supported for {pixels.dtype}")
    return pixels.dtype.type(2 ** _bits(page) - 1) - pixels


def _name(page: tifffile.TiffPage) -> str:
    return str(getattr(page.photometric, "name", page.photometric))


def _bits(page: tifffile.TiffPage) -> int:
    bits: Any = page.bitspersample
    return bits if isinstance(bits, int) else max(bits)


def _looked_up(page: tifffile.TiffPage, indices: np.ndarray) -> np.ndarray:
    """Return the colors of indices, as 8 bits per color; the indices if they are gray levels."""
    if indices.dtype != np.uint8:
        raise ValueError(f"a palette is not supported for {indices.dtype}")
    colors = page.colormap.T
    colors = np.where(colors > 255, colors >> 8, colors)  # some programs write 8 bits
    if len(colors) <= indices.max():
        raise ValueError(f"its palette has {len(colors)} colors")
    if (colors == np.arange(len(colors))[:, None]).all():
        return indices
    return colors.astype(np.uint8)[indices]


def _rgb_of_ycbcr(page: tifffile.TiffPage, pixels: np.ndarray) -> np.ndarray:
    """Convert YCbCr to RGB, by section 21 of the TIFF 6.0 specification."""
    if pixels.dtype != np.uint8 or page.axes[0] == "S":
        raise ValueError(f"YCbCr is supported for interleaved 8 bits, not for {pixels.dtype}")
    red_luma, green_luma, blue_luma = _rationals(page, "YCbCrCoefficients", LUMA)
    zero = _rationals(page, "ReferenceBlackWhite", (0, 255, 128, 255, 128, 255))[::2]
    luma, blue, red = (pixels[..., index].astype(float) - zero[index] for index in range(3))
    red = np.trunc(red * (2 - 2 * red_luma) + luma)
    blue = np.trunc(blue * (2 - 2 * blue_luma) + luma)
    green = np.trunc((luma - blue_luma * blue - red_luma * red) / green_luma)
    return np.stack([red, green, blue], axis=-1).clip(0, 255).astype(np.uint8)


def _rationals(page: tifffile.TiffPage, tag: str, default: Tuple[float, ...]) -> Tuple[float, ...]:
    if tag not in page.tags:
        return default
    values = np.reshape(page.tags[tag].value, (len(default), 2))
    return tuple(values[:, 0] / values[:, 1])
