import numpy as np
import pytest

from micrograph_networks.images.image_files import write_png
from segment.annotations.dataset import Sample
from segment.inference.model import load_model
from segment.training import teacher
from segment.training.teacher import mean_of_views, taught


@pytest.fixture
def model(random_weights):
    return load_model(random_weights)


@pytest.fixture
def image(rng):
    return rng.integers(0, 255, (64, 96, 3)).astype(np.uint8)


def test_a_mirrored_image_teaches_the_mirrored_probabilities(model, image):
    found = mean_of_views(image, model)
    np.testing.assert_allclose(found.sum(axis=2), 1, atol=1e-5)
    for axis in (0, 1):
        mirrored = mean_of_views(np.flip(image, axis), model)
        np.testing.assert_allclose(np.flip(mirrored, axis), found, atol=1e-5)


def test_probabilities_are_computed_once_and_kept(model, image, tmp_path, monkeypatch):
    write_png(tmp_path / "a.png", image)
    small = Sample("a.png", image[::2, ::2], np.zeros((32, 48), np.uint8))
    (first,) = taught([small], tmp_path, model, tmp_path / "teacher")
    assert (first.taught.shape, first.taught.dtype) == ((32, 48, 3), np.float16)
    np.testing.assert_allclose(first.taught.sum(axis=2, dtype=np.float32), 1, atol=2e-3)
    monkeypatch.setattr(teacher, "mean_of_views", None)
    (again,) = taught([small], tmp_path, model, tmp_path / "teacher")
    np.testing.assert_array_equal(again.taught, first.taught)
