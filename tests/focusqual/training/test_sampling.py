import numpy as np
import pytest

from focusqual.levels import STANDARD_OPTICS
from focusqual.simulation import scenes
from focusqual.simulation.microscopes import FIELD, Microscope
from focusqual.training import sampling
from focusqual.training.slides import Slide, Specimen


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
    levels, depths = np.transpose([sampling.random_depth(rng, 1.0) for _ in range(3000)])
    assert np.bincount(levels.astype(int)).min() > 200
    assert np.abs(depths - levels)[levels < 10].max() <= 0.15
    assert depths.min() >= 0
    assert 10 < depths.max() <= sampling.BEYOND


@pytest.mark.parametrize("resolution, sharpest", [(1.8, 1), (4.5, 2)])
def test_finely_sampled_specimens_are_never_sharp(rng, resolution, sharpest):
    levels, depths = np.transpose([sampling.random_depth(rng, resolution) for _ in range(2000)])
    assert levels.min() == sharpest
    in_focus = depths[levels == sharpest]
    assert in_focus.min() < 0.1
    assert in_focus.max() == pytest.approx(sharpest, abs=0.1)


def test_a_batch_with_photographs_of_both_kinds_is_finite(rng):
    fluorescence = np.maximum(rng.standard_normal((300, 260), dtype=np.float32), 0)
    transmitted = rng.standard_normal((300, 260), dtype=np.float32) / 3
    draw = sampling.drawing_from([[fluorescence] * 4, [transmitted]])
    patches, _ = sampling.sample(1, draw, 12)
    assert patches.dtype == np.float16
    assert np.isfinite(patches).all()


def test_pictures_are_cut_into_quarters_that_keep_their_level():
    picture = np.zeros((168, 168), np.uint16)
    picture[90, 10] = 5000
    patches, levels = sampling._cut([(3, np.zeros((168, 168))), (7, picture)])
    assert levels.tolist() == [3] * 4 + [7] * 4
    assert np.flatnonzero(patches.any(axis=(1, 2))).tolist() == [6]
    assert np.unravel_index(patches[6].argmax(), (84, 84)) == (6, 10)


@pytest.mark.parametrize("factor, finest", [(2.0, 1), (0.5, 0)])
def test_enlarged_pictures_are_blurred_by_definition(rng, monkeypatch, factor, finest):
    monkeypatch.setattr(sampling, "_random_factor", lambda rng: factor)
    monkeypatch.setattr(sampling, "process", lambda rng, picture: picture)
    slide = Slide(
        Specimen([scenes.nuclei(rng, FIELD, 1.0)]),
        Microscope(STANDARD_OPTICS.resolution),
        thick=False,
    )
    depths = []
    monkeypatch.setattr(slide, "light", lambda rng, depth: depths.append(depth) or np.ones((8, 8)))
    resampled = []
    monkeypatch.setattr(sampling, "resample", lambda rng, p, f: resampled.append(len(depths)) or p)
    levels = np.array([sampling._altered(rng, slide)[0] for _ in range(400)])
    chosen = np.array(resampled) - 1
    assert levels[chosen].min() == finest
    far = chosen[(levels[chosen] > finest) & (levels[chosen] < 8)]
    np.testing.assert_allclose(factor * np.array(depths)[far], levels[far], atol=0.16)


def test_empty_fields_become_smooth_in_many_ways(rng):
    pictures = [sampling._altered_blank(rng) for _ in range(60)]
    steps = [
        np.abs(np.diff(picture, axis=1)).mean() / (picture.std() + 1e-9) for picture in pictures
    ]
    assert min(steps) < 0.2
    assert max(steps) > 0.9
    patches, levels = sampling._cut(list(enumerate(pictures)))
    assert np.isfinite(patches).all()
