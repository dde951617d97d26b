from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segment.inference.model import TILE_SIZES, tile_sizes
from segment.inference.network import FULL, STRIDE, unet_vgg16
from segment.inference.tiling import OVERLAP, UNSEEN, divide_image

lengths = st.integers(1, 10000)


@settings(max_examples=50)
@given(lengths, lengths, st.integers(TILE_SIZES[-1], 2000))
def test_tiles_are_aligned_overlap_and_are_no_larger_than_allowed(height, width, largest):
    tall, wide = divide_image((height, width), largest)
    assert tall.size * wide.size <= largest**2
    for length, tiles in ((height, tall), (width, wide)):
        assert not any(np.append(tiles.starts, tiles.size) % STRIDE)
        assert (tiles.seams[0], tiles.seams[-1]) == (0, length)
        assert all(tiles.seams[1:-1] - tiles.starts[1:] > UNSEEN)
        assert all(tiles.starts[:-1] + tiles.size - tiles.seams[1:-1] > UNSEEN)


@pytest.mark.parametrize(
    "shape, largest, grid",
    [
        ((640, 640), 1184, (1, 1)),
        ((2048, 2048), 1184, (2, 2)),
        ((2048, 2048), 1674, (2, 1)),
        ((1040, 4000), 1674, (1, 2)),
        ((4000, 1040), 1674, (2, 1)),
    ],
)
def test_tiles_share_as_little_as_the_memory_allows(shape, largest, grid):
    assert tuple(len(tiles.starts) for tiles in divide_image(shape, largest)) == grid


def test_a_narrower_network_has_larger_tiles():
    half = replace(FULL, encoder=(32, *FULL.encoder[1:]))
    wide = replace(FULL, encoder=(4096, *FULL.encoder[1:]))
    assert TILE_SIZES[-1] > OVERLAP
    assert tile_sizes(unet_vgg16(3)) == list(TILE_SIZES)
    assert tile_sizes(unet_vgg16(3, half)) == [1674, 995, 633]
    assert tile_sizes(unet_vgg16(3, wide)) == [TILE_SIZES[-1]] * len(TILE_SIZES)
