import numpy as np
import pytest

from focusqual.simulation import scenes
from focusqual.training import sampling


@pytest.mark.parametrize("kind", scenes.KINDS)
@pytest.mark.parametrize("zoom", [0.45, 3.3])
def test_scenes_are_light(kind, zoom):
    for seed in range(5):
        scene = kind(np.random.default_rng(seed), 120, zoom)
        assert scene.shape == (120, 120)
        assert np.isfinite(scene).all()
        assert scene.min() >= 0


def test_the_same_seed_gives_the_same_patches():
    draw = sampling.drawing_from([])
    first, levels = sampling.sample((3, 0), draw, 4)
    second, _ = sampling.sample((3, 0), draw, 4)
    other, _ = sampling.sample((4, 0), draw, 4)
    assert first.shape == (96, 84, 84)
    assert levels.shape == (96,)
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


def test_all_levels_are_drawn_near_their_depth(rng):
    drawn = [sampling.random_depth(rng) for _ in range(3000)]
    levels, depths = np.transpose(drawn)
    assert np.bincount(levels.astype(int)).min() > 200
    assert np.abs(depths - levels)[levels < 10].max() <= 0.15
    assert depths.min() >= 0
    assert 10 < depths.max() <= sampling.BEYOND


def test_a_batch_with_photographs_of_both_kinds_is_finite(rng):
    fluorescence = np.maximum(rng.standard_normal((300, 260), dtype=np.float32), 0)
    transmitted = rng.standard_normal((300, 260), dtype=np.float32) / 3
    draw = sampling.drawing_from([[fluorescence] * 4, [transmitted]])
    patches, _ = sampling.sample(1, draw, 12)
    assert patches.dtype == np.float16
    assert np.isfinite(patches).all()


def test_views_prefer_structure(rng):
    image = np.zeros((1200, 1200), np.float32)
    image[:, :600] = 1
    views = [sampling._random_view(rng, image)[120, 120] > 0.1 for _ in range(200)]
    # Half of the centers would show structure if they were drawn without preference.
    assert np.mean(views) > 0.85
