"""The shipped models on fixed images: exact counts."""

import functools

import numpy as np
import pytest
import support
from processings import PROCESSINGS

from focusqual.evaluation import stacks
from focusqual.levels import LEVEL_DEPTH, LEVELS
from focusqual.simulation import scenes
from focusqual.simulation.camera import photograph
from focusqual.simulation.defocus import defocus
from focusqual.simulation.degradation import degrade
from micrograph_networks.images.image_files import read_gray, read_image


@pytest.fixture(params=["focus_v1", "focus_v2"])
def rate(request):
    return functools.partial(support.rate, model=request.param)


@pytest.fixture
def score(rate):
    return lambda image: rate(image).summary["score"]


def test_real_images_in_focus_and_defocused(score, fly_images):
    """Levels 0 to 10 of the nine ExampleFly images, which training never saw."""
    errors = np.array(
        [
            [score(degrade(image, level, photons=1000)) - level for level in range(LEVELS)]
            for image in fly_images.values()
        ]
    )
    assert np.sum(errors == 0) == 91
    assert np.sum(np.abs(errors) <= 1) == 99


def test_real_bbbc006_planes(score, data_folder):
    scores = {
        plane: [
            score(read_image(path)) for path in sorted((data_folder / "bbbc006" / plane).iterdir())
        ]
        for plane in ("in_focus", "z00")
    }
    assert scores["in_focus"] == [1, 1, 1, 1]
    assert scores["z00"] == [10] * 8


@pytest.mark.parametrize(
    "kind, within_one",
    [
        (scenes.nuclei, 33),
        (scenes.cytoplasm, 33),
        (scenes.filaments, 33),
        (scenes.puncta, 31),
        (scenes.grains, 33),
    ],
)
def test_generated_scenes(score, kind, within_one):
    """Three fixed scenes, at 10x, 20x and 60x, photographed at each of 11 levels."""
    errors = []
    for zoom in (0.5, 1.0, 3.0):
        rng = np.random.default_rng(2026)
        light = kind(rng, 336, zoom)
        for level in range(LEVELS):
            errors.append(score(photograph(rng, defocus(light, LEVEL_DEPTH * level))) - level)
    assert np.sum(np.abs(errors) <= 1) == within_one


def test_blank_images_are_uncertain(rate, rng):
    for mean, deviation in ((100, 1), (500, 20), (3000, 60)):
        image = rng.normal(mean, deviation, (840, 840)).astype(np.uint16)
        assert np.median(rate(image).certainty) < 0.15


def test_score_does_not_depend_on_exposure_or_scaling(rate, fly_images):
    for image in fly_images.values():
        # As a 12-bit camera with an offset would have recorded it.
        twelve_bit = image.astype(np.uint16) * 12 + 105
        expected = rate(twelve_bit)
        for changed in (
            twelve_bit / np.float32(4095),
            twelve_bit / np.float32(65535),
            twelve_bit * np.uint16(16),
            np.rint(twelve_bit / 16).astype(np.uint8),
            0.25 * twelve_bit,
            4.0 * twelve_bit,
            twelve_bit + np.uint16(5000),
        ):
            found = rate(changed)
            assert found.summary["score"] == expected.summary["score"]
            np.testing.assert_allclose(found.aggregate, expected.aggregate, atol=0.03)


def test_one_cell_in_a_large_dark_image_decides(rate, rng):
    light = np.zeros((1500, 1500), np.float32)
    light[700:900, 700:900] = scenes.nuclei(np.random.default_rng(3), 200, 1.0)
    for level in (0, 3, 6, 9):
        measurement = rate(photograph(rng, defocus(light, LEVEL_DEPTH * level)))
        assert abs(measurement.summary["score"] - level) <= 1


def test_planes_of_real_stacks_in_focus(data_folder):
    """Eight of beads and three of a stained smear."""
    folder = data_folder / "focus_stacks"
    planes = stacks.read_planes(folder, folder / "stacks.csv")
    in_focus = [plane for plane in planes if plane.depths <= stacks.IN_FOCUS]
    scores = {
        name: [support.rate(read_gray(p.path), model=name).summary["score"] for p in in_focus]
        for name in ("focus_v1", "focus_v2")
    }
    assert np.sum(np.array(scores["focus_v1"]) <= 1) == 10
    assert np.sum(np.array(scores["focus_v2"]) <= 1) == 11


@pytest.mark.parametrize("photons, dtype", [(30, np.uint8), (300, np.uint16)])
def test_blank_images_stay_uncertain_whatever_programs_do_to_them(photons, dtype):
    frame = np.random.default_rng(1).poisson(photons, (420, 420)).astype(dtype)
    certainties = {
        name: np.median(support.rate(process(frame)).certainty)
        for name, process in PROCESSINGS.items()
    }
    assert certainties.pop("non-local means") < 0.25
    assert max(certainties.values()) < 0.1
