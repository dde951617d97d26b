"""The shipped models on fixed images: exact counts."""

import numpy as np
import pytest
from processings import PROCESSINGS
from support import measure

from focusqual.evaluation import stacks
from focusqual.levels import LEVEL_DEPTH, LEVELS
from focusqual.simulation import scenes
from focusqual.simulation.camera import photograph
from focusqual.simulation.defocus import defocus
from focusqual.simulation.degradation import degrade
from micrograph_networks.images.image_files import read_gray, read_image

MODELS = ("focus_v1", "focus_v2")


def score(image, model):
    return measure(image, model=model).summary["score"]


def test_real_images_in_focus_and_defocused(fly_images):
    """The nine ExampleFly images, which are not training images, at each of 11 levels."""
    errors = np.zeros((len(MODELS), len(fly_images), LEVELS))
    for row, image in enumerate(fly_images.values()):
        for level in range(LEVELS):
            degraded = degrade(image, level, photons=1000)
            errors[:, row, level] = [score(degraded, model) - level for model in MODELS]
    assert np.sum(errors == 0, axis=(1, 2)).tolist() == [91, 91]
    assert np.sum(np.abs(errors) <= 1, axis=(1, 2)).tolist() == [99, 99]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("plane, scores", [("in_focus", [1] * 4), ("z00", [10] * 8)])
def test_real_bbbc006_planes(data_folder, plane, scores, model):
    paths = sorted((data_folder / "bbbc006" / plane).iterdir())
    assert [score(read_image(path), model) for path in paths] == scores


@pytest.mark.parametrize("kind, within_one", zip(scenes.KINDS, (33, 33, 33, 31, 33)))
def test_generated_scenes(kind, within_one):
    """Three fixed scenes, at 10x, 20x and 60x, photographed at each of 11 levels."""
    errors = []
    for zoom in (0.5, 1.0, 3.0):
        rng = np.random.default_rng(2026)
        light = kind(rng, 336, zoom)
        for level in range(LEVELS):
            image = photograph(rng, defocus(light, LEVEL_DEPTH * level))
            errors.append([score(image, model) - level for model in MODELS])
    assert np.sum(np.abs(errors) <= 1, axis=0).tolist() == [within_one] * 2


@pytest.mark.parametrize("model", MODELS)
def test_blank_images_are_uncertain(rng, model):
    for mean, deviation in ((100, 1), (500, 20), (3000, 60)):
        image = rng.normal(mean, deviation, (840, 840)).astype(np.uint16)
        assert np.median(measure(image, model=model).certainty) < 0.15


@pytest.mark.parametrize("model", MODELS)
def test_score_does_not_depend_on_exposure_or_scaling(fly_images, model):
    for image in list(fly_images.values())[:3]:
        # As recorded by a 12-bit camera with an offset.
        twelve_bit = image.astype(np.uint16) * 12 + 105
        expected = measure(twelve_bit, model=model)
        for changed in (
            twelve_bit / np.float32(4095),
            twelve_bit * np.uint16(16),
            np.rint(twelve_bit / 16).astype(np.uint8),
            0.25 * twelve_bit,
            twelve_bit + np.uint16(5000),
        ):
            found = measure(changed, model=model)
            assert found.summary["score"] == expected.summary["score"]
            np.testing.assert_allclose(found.aggregate, expected.aggregate, atol=0.03)


@pytest.mark.parametrize("model", MODELS)
def test_one_cell_in_a_large_dark_image_decides(rng, model):
    light = np.zeros((1000, 1000), np.float32)
    light[500:700, 500:700] = scenes.nuclei(np.random.default_rng(3), 200, 1.0)
    for level in (0, 3, 6, 9):
        image = photograph(rng, defocus(light, LEVEL_DEPTH * level))
        assert abs(score(image, model) - level) <= 1


@pytest.mark.parametrize("model, in_focus", zip(MODELS, (10, 11)))
def test_planes_of_real_stacks_in_focus(data_folder, model, in_focus):
    """Eight planes of beads and three of a stained smear."""
    folder = data_folder / "focus_stacks"
    planes = stacks.read_planes(folder / "stacks.csv")
    chosen = planes.query("depths_of_field <= @stacks.IN_FOCUS and stack != 'membranes'")
    assert len(chosen) == 11
    assert sum(score(read_gray(path), model) <= 1 for path in chosen["path"]) == in_focus


@pytest.mark.parametrize("photons, dtype", [(30, np.uint8), (300, np.uint16)])
def test_processing_leaves_blank_images_uncertain(photons, dtype):
    frame = np.random.default_rng(1).poisson(photons, (420, 420)).astype(dtype)
    certainties = {
        name: np.median(measure(process(frame), model="focus_v2").certainty)
        for name, process in PROCESSINGS.items()
    }
    assert certainties.pop("non-local means") < 0.25
    assert max(certainties.values()) < 0.1
