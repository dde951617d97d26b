from dataclasses import replace

import numpy as np
import pytest

from focusqual.levels import STANDARD_OPTICS
from focusqual.simulation import scenes
from focusqual.simulation.microscopes import FIELD, Microscope
from focusqual.training import slides
from focusqual.training.slides import Slide, Specimen

FINE = Microscope(2.5 * STANDARD_OPTICS.resolution)


@pytest.mark.parametrize("kind", scenes.KINDS)
@pytest.mark.parametrize("zoom", [0.45, 3.3])
def test_scenes_are_light(kind, zoom):
    for seed in range(5):
        scene = kind(np.random.default_rng(seed), 120, zoom)
        assert scene.shape == (120, 120)
        assert np.isfinite(scene).all()
        assert scene.min() >= 0


@pytest.fixture
def specimen():
    plane = scenes.nuclei(np.random.default_rng(4), FIELD, 1.0)
    return Specimen([plane, plane[::-1]], photographed=True, resolution=1.0)


def test_a_photograph_in_focus_is_blurred_only_by_coarser_optics(specimen, rng):
    seen = Slide(specimen, Microscope(), thick=False)
    np.testing.assert_allclose(seen.field(rng, 0), specimen.planes[0], atol=1e-5)
    assert seen.resolution == 1
    fine = Slide(specimen, FINE, thick=False)
    assert np.abs(fine.field(rng, 0) - specimen.planes[0]).max() > 0.1
    assert fine.resolution == pytest.approx(np.hypot(1, 2.5))


def test_generated_light_is_blurred_by_its_microscope_alone(specimen, rng):
    generated = replace(specimen, photographed=False, resolution=0.0)
    assert Slide(generated, FINE, thick=True).resolution == pytest.approx(2.5)
    field = Slide(generated, Microscope(), thick=False).field(rng, 0)
    assert np.abs(field - generated.planes[0]).max() > 0.05


def test_thick_specimens_show_their_other_planes(specimen, rng):
    thin, thick = (Slide(specimen, Microscope(), thick).field(rng, 1) for thick in (False, True))
    assert thick.mean() > 1.95 * thin.mean()


def test_enlarged_views_have_a_resolution_in_more_pixels(rng):
    image = np.maximum(rng.standard_normal((400, 400), dtype=np.float32), 0)
    drawn = [slides.random_specimen(rng, [[image]]) for _ in range(60)]
    resolutions = [specimen.resolution for specimen in drawn]
    assert {0.0, 1.0} < set(resolutions)
    assert 1.5 < max(resolutions) <= 2.2


def test_views_prefer_structure(rng):
    image = np.zeros((1200, 1200), np.float32)
    image[:, :600] = 1
    views = [slides._random_view(rng, image)[0][120, 120] > 0.1 for _ in range(200)]
    # Half of the centers would show structure if they were drawn without preference.
    assert np.mean(views) > 0.85
