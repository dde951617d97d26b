import numpy as np
import pytest

from segment.annotations.dataset import Sample
from segment.training.augmentation import draw_batch, draw_crop


@pytest.fixture
def sample(rng):
    """An image whose red channel tells the class of the pixel."""
    mask = np.kron(rng.integers(0, 3, (6, 9)), np.ones((16, 16))).astype(np.uint8)
    image = np.repeat(mask[..., None] * 100, 3, axis=2).astype(np.uint8)
    return Sample("a", image, mask)


def test_the_same_seed_gives_the_same_crops(sample):
    batches = [draw_batch([sample], [0] * 4, 64, True, seed) for seed in ("1", "1", "2")]
    for first, again, other in zip(*batches):
        np.testing.assert_array_equal(first, again)
        assert (first != other).any()
    images, masks = batches[0]
    assert (images.shape, images.dtype) == ((4, 64, 64, 3), np.uint8)
    assert (masks.shape, masks.dtype) == ((4, 64, 64), np.uint8)
    assert (images[0] != images[1]).any()


def test_mask_and_image_move_together(sample):
    for seed in range(20):
        image, mask = draw_crop(sample, 64, True, str(seed))
        assert set(np.unique(mask)) <= {0, 1, 2}
        if len(np.unique(mask)) == 3:
            means = [image[mask == index].mean() for index in range(3)]
            assert means[0] < means[1] < means[2]


def test_unchanged_crops_are_cut_out_of_the_image(sample):
    image, mask = draw_crop(sample, 64, False, "0")
    np.testing.assert_array_equal(image[..., 0], mask * 100)
    windows = np.lib.stride_tricks.sliding_window_view(sample.mask, (64, 64))
    assert (windows == mask).all(axis=(2, 3)).any()


def test_small_images_are_reflected(sample):
    small = Sample("a", sample.image[:20, :30], sample.mask[:20, :30])
    image, mask = draw_crop(small, 64, False, "0")
    assert image.shape == (64, 64, 3)
    np.testing.assert_array_equal(image[..., 0], mask * 100)
