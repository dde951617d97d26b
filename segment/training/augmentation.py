"""Crops of training images, changed at random as other microscopes and slides would."""

import functools
import random
import warnings
from typing import TYPE_CHECKING, Any, Sequence, Tuple

import numpy as np

if TYPE_CHECKING:
    from segment.annotations.dataset import Sample


@functools.lru_cache(maxsize=None)
def _steps(crop: int, changed: bool) -> Any:
    with warnings.catch_warnings():
        # Its dependency scikit-learn imports pkg_resources.
        warnings.filterwarnings("ignore", category=UserWarning)
        import albumentations as A
    import cv2

    cv2.setNumThreads(0)  # the processes that draw are the parallel ones
    reflected = {"border_mode": cv2.BORDER_REFLECT_101}
    cut = [A.PadIfNeeded(crop, crop, **reflected), A.RandomCrop(crop, crop)]
    if not changed:
        return A.Compose(cut)
    geometry = [
        A.ShiftScaleRotate(
            shift_limit=0, scale_limit=(-0.4, 1.4), rotate_limit=20, p=0.7, **reflected
        ),
        *cut,
        A.RandomRotate90(p=0.75),
        A.HorizontalFlip(p=0.5),
    ]
    colour = [
        A.RandomBrightnessContrast(brightness_limit=0.2, contrast_limit=0.25, p=0.5),
        A.RandomGamma((70, 140), p=0.4),
        A.HueSaturationValue(15, 40, 0, p=0.4),
        A.ToGray(p=0.1),
    ]
    camera = [
        A.GaussianBlur((3, 5)),
        A.GaussNoise((5, 80)),
        A.ImageCompression(50, 95),
    ]
    return A.Compose([*geometry, *colour, A.OneOf(camera, p=0.3)])


def draw_crop(
    sample: "Sample", crop: int, changed: bool, seed: str
) -> Tuple[np.ndarray, np.ndarray]:
    """Cut a crop out of a sample at random; an image that is too small is reflected.

    Parameters
    ----------
    sample : Sample
    crop : int
        Height and width in pixels.
    changed : bool
        Whether to flip, turn, scale, colour, blur, and so on.
    seed : str
        The same crop comes of the same seed.

    Returns
    -------
    image : ndarray of uint8, (crop, crop, 3)
    mask : ndarray of uint8, (crop, crop)
    """
    steps = _steps(crop, changed)
    random.seed(seed)  # from which albumentations draws everything
    drawn = steps(image=sample.image, mask=sample.mask)
    return drawn["image"], drawn["mask"]


def draw_batch(
    samples: Sequence["Sample"], places: Sequence[int], crop: int, changed: bool, seed: str
) -> Tuple[np.ndarray, np.ndarray]:
    """Draw a crop of each of some samples.

    Parameters
    ----------
    samples : list of Sample
    places : sequence of int
        Of the samples in the list.
    crop, changed
        As for :func:`draw_crop`.
    seed : str

    Returns
    -------
    images : ndarray of uint8, (n, crop, crop, 3)
    masks : ndarray of uint8, (n, crop, crop)
    """
    drawn = [
        draw_crop(samples[place], crop, changed, f"{seed} {number}")
        for number, place in enumerate(places)
    ]
    images, masks = zip(*drawn)
    return np.stack(images), np.stack(masks)
