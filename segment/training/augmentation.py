"""Crops of training images, varied at random as other microscopes and slides vary them."""

import functools
import random
import warnings
from typing import TYPE_CHECKING, Any, Tuple

import numpy as np

from segment.simulation.disturbances import disturb

if TYPE_CHECKING:
    from segment.annotations.dataset import Sample


@functools.lru_cache(maxsize=None)
def _augmentations(crop: int, wanted: Tuple[int, ...]) -> Tuple[Any, Any]:
    """Return the albumentations transforms that draw a crop, and that photograph it."""
    with warnings.catch_warnings():
        # scikit-learn, which albumentations imports, warns of pkg_resources.
        warnings.filterwarnings("ignore", category=UserWarning)
        import albumentations as A
    import cv2

    cv2.setNumThreads(0)  # crops are small: threads would cost more than they gain
    reflected = {"border_mode": cv2.BORDER_REFLECT_101}
    turned = functools.partial(A.ShiftScaleRotate, shift_limit=0, rotate_limit=20, **reflected)
    others = [index for index in range(256) if index not in wanted]
    scales = [
        turned(scale_limit=(-0.4, 0.6), p=12),
        # A few large enlargements teach cells that fill half of the field.
        turned(scale_limit=(0.6, 1.5), p=4),
        # Averaging keeps the filaments of images that become much smaller.
        A.RandomScale((-0.6, -0.4), interpolation=cv2.INTER_AREA, p=1),
    ]
    geometry = [
        A.OneOf(scales, p=0.8),
        A.PadIfNeeded(crop, crop, **reflected),
        A.CropNonEmptyMaskIfExists(crop, crop, ignore_values=others),
        A.RandomRotate90(p=0.75),
        A.HorizontalFlip(p=0.5),
    ]
    color = [
        A.RandomBrightnessContrast(brightness_limit=0.2, contrast_limit=0.25, p=0.5),
        A.RandomGamma((60, 150), p=0.4),
        A.HueSaturationValue(15, 40, 0, p=0.4),
        A.ToGray(p=0.1),
    ]
    camera = [
        A.GaussianBlur((3, 7), (0.5, 2)),
        A.GaussNoise((5, 100)),
        A.ImageCompression(40, 95),
    ]
    return A.Compose([*geometry, *color]), A.OneOf(camera, p=0.3)


def draw_crop(
    sample: "Sample", crop: int, wanted: Tuple[int, ...], seed: str
) -> Tuple[np.ndarray, np.ndarray]:
    """Draw a randomly varied crop of a sample; an image that is too small is reflected.

    Parameters
    ----------
    sample : Sample
    crop : int
        Height and width in pixels.
    wanted : tuple of int
        Indices of classes. The crop is placed on a pixel of one of them, if there is one.
    seed : str
        Equal seeds give equal crops.

    Returns
    -------
    image : ndarray of uint8, (crop, crop, 3)
    mask : ndarray of uint8, (crop, crop)
    """
    draw, photograph = _augmentations(crop, wanted)
    random.seed(seed)  # albumentations draws all its numbers from Python's generator
    drawn = draw(image=sample.image, mask=sample.mask)
    rng = np.random.default_rng(list(seed.encode()))
    image, mask = disturb(drawn["image"], drawn["mask"], rng)
    return photograph(image=image)["image"], mask
