import numpy as np
import pytest

from segment.annotations.dataset import Sample
from segment.training import augmentation
from segment.training.augmentation import draw_crop


@pytest.fixture
def sample(rng):
    """An image whose red channel tells the class of the pixel."""
    mask = np.kron(rng.integers(0, 3, (6, 9)), np.ones((16, 16))).astype(np.uint8)
    image = np.repeat(mask[..., None] * 100, 3, axis=2).astype(np.uint8)
    return Sample("a", image, mask)


def test_the_same_seed_gives_the_same_crop(sample):
    crops = [draw_crop(sample, 64, (), seed) for seed in ("1", "1", "2")]
    for first, again, other in zip(*crops):
        np.testing.assert_array_equal(first, again)
        assert (first != other).any()
    image, mask = crops[0]
    assert (image.shape, image.dtype) == ((64, 64, 3), np.uint8)
    assert (mask.shape, mask.dtype) == ((64, 64), np.uint8)


@pytest.fixture
def undisturbed(monkeypatch):
    """Draw crops without disturbances."""
    monkeypatch.setattr(augmentation, "disturb", lambda image, mask, rng: (image, mask))


@pytest.mark.usefixtures("undisturbed")
def test_mask_and_image_move_together(sample):
    for seed in range(20):
        image, mask = draw_crop(sample, 64, (), str(seed))
        assert set(np.unique(mask)) <= {0, 1, 2}
        if len(np.unique(mask)) == 3:
            means = [image[mask == index].mean() for index in range(3)]
            assert means[0] < means[1] < means[2]


@pytest.mark.usefixtures("undisturbed")
def test_a_class_is_sought(sample):
    mask = np.zeros_like(sample.mask)
    mask[50, 70] = 2
    mask[:10] = 1
    rare = Sample("a", np.zeros_like(sample.image), mask)
    held = [
        [(draw_crop(rare, 32, sought, str(seed))[1] == 2).any() for seed in range(40)]
        for sought in ((), (2,))
    ]
    # One pixel may vanish where the image is scaled down or leaves the frame.
    assert np.mean(held[1]) > 0.6 > 0.4 > np.mean(held[0])


def test_small_images_are_reflected(sample):
    small = Sample("a", sample.image[:20, :30], sample.mask[:20, :30])
    image, mask = draw_crop(small, 64, (), "0")
    assert image.shape == (64, 64, 3)
    assert mask.shape == (64, 64)


def test_disturbances_are_drawn_with_the_seed(sample, monkeypatch):
    monkeypatch.setattr(augmentation, "disturb", lambda image, mask, rng: (image, mask + 9))
    assert (draw_crop(sample, 64, (), "0")[1] >= 9).all()
    drawn = []
    monkeypatch.setattr(
        augmentation,
        "disturb",
        lambda image, mask, rng: drawn.append(rng.uniform()) or (image, mask),
    )
    for seed in ("0 1 2 3", "0 1 2 3", "0 1 3 2"):
        draw_crop(sample, 64, (), seed)
    assert drawn[0] == drawn[1] != drawn[2]
