import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from micrograph_networks.images.tiling import pad_to, tile_starts


@given(st.integers(1, 2000), st.integers(1, 300), st.data())
def test_tiles_cover_every_pixel_and_stay_inside(length, size, data):
    stride = data.draw(st.integers(1, size))
    starts = tile_starts(length, size, stride)
    covered = np.zeros(max(length, size), dtype=int)
    for start in starts:
        covered[start : start + size] += 1
    assert covered.min() >= 1
    assert starts[0] == 0
    assert starts[-1] == max(length - size, 0)
    assert (np.diff(starts) > 0).all()
    assert (np.diff(starts) <= stride).all()


def test_only_the_last_tile_is_moved_inwards():
    assert tile_starts(200, 84, 84).tolist() == [0, 84, 116]
    assert tile_starts(168, 84, 84).tolist() == [0, 84]


@pytest.mark.parametrize("stride", [0, 85])
def test_a_stride_that_would_leave_gaps_is_refused(stride):
    with pytest.raises(ValueError, match="between 1 and 84"):
        tile_starts(200, 84, stride)


@pytest.mark.parametrize("shape", [(1, 1), (3, 100), (100, 3, 3), (84, 84)])
def test_padding_keeps_the_image_and_its_gray_levels(shape, rng):
    image = rng.integers(0, 255, shape, dtype=np.uint8)
    padded = pad_to(image, 84)
    assert padded.shape[:2] == (max(84, shape[0]), max(84, shape[1]))
    assert padded.dtype == image.dtype
    np.testing.assert_array_equal(padded[: shape[0], : shape[1]], image)
    assert set(np.unique(padded)) == set(np.unique(image))
